"""One split specification: which rows are trained on, watched, validated, held out, and who may see whose target."""
