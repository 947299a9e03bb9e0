"""Trying again, sparing a neighbour that is away, and limits of rate."""
