"""What the stage `train` is made of: rows with their plan, matrices of each fit, cross-validation."""
