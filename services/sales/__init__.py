"""Sales: a stream over the order events, what it told as a table, and that table over HTTP."""
