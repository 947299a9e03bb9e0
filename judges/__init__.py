"""Judges: programs that others have written for the same wire, run against ours. Nobody imports this."""
