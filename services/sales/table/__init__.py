"""The table: what the stream told, one row per build, minute and currency."""
