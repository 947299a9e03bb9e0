"""One file per consumer group."""
