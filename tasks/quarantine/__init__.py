"""Rows that were refused: kept with place, reason and raw text, limited, summed up, and repaired."""
