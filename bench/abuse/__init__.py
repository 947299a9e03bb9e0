"""Orders beside floods of everything that a stranger can send (see `make abuse`)."""
