"""Consumer groups: each a plug-in with a name, its topics and a handler."""
