"""The delivery rules, without I/O."""
