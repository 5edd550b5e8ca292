"""The work: pure functions in thin shells, one idea per file, one module per stage. No Prefect import."""
