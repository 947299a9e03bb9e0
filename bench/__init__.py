"""Measures the order intake on real servers, as ratios of what this machine can do."""
