"""The gate: champion and challenger on the same rows, and what follows from it."""
