"""What a user declares: one YAML per pipeline, and the models that read it."""
