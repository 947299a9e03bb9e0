"""Unit: one part alone, without servers."""
