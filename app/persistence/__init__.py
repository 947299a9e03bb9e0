"""The shop's tables, behind the ports of the use cases."""
