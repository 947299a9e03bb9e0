"""The rules of the shop, in plain Python."""
