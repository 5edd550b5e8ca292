"""Target encoding in one pass over the rows: sums per cell and level, from which every fit is handed its own."""
