"""The commands of the Member API."""
