"""Members: who they are called, over HTTP, and every change of it as an event."""
