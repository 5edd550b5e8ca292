"""Code of the user's own for the pipeline `flights`."""
