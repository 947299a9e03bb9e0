"""What a handler reads and answers by: bodies, queries, preconditions, answers."""
