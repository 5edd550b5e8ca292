"""The user's own transformer: found, fitted inside the fold, checked, and kept without a pickle."""
