"""A version: what it is made of, where its bytes lie, and the one way to load it."""
