"""A process's own affairs: signals, the garbage collector, background work, start and stop, bounded waits."""
