"""Auth: who may be whom: users, passwords, tokens; tells of every change by an event."""
