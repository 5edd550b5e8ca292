"""How a raw file becomes the typed rows of its batches, chunk by chunk, each row accounted for."""
