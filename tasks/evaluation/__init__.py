"""What the stage `evaluate` is made of: scores with intervals, simpler models beside, explanations."""
