"""Drift: a batch against the profile of the champion's reference, with a declared budget of false alarms."""
