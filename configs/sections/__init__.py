"""The sections of a pipeline's YAML, as frozen objects that refuse unknown keys. Units stand in the descriptions."""
