"""The estimator: raw rows in, calibrated probabilities and decisions out; and the bundle that keeps it."""
