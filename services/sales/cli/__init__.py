"""The commands of the sales."""
