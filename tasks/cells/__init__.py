"""A cell: how its text becomes a value of its declared type, and why it may not."""
