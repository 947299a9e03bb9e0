"""The command line: words, who sits there, and how far it is."""
