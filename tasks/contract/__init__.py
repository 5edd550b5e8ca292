"""The contract between a pipeline's YAML and its files: which columns stand there, which levels, in which notation.

`header` compares the names of a file with the declared ones; `differences` looks at whole files for `holdfast schema
--diff`; `inferred` says what type a column seems to have; `accepted` writes a new contract into the YAML.
"""
