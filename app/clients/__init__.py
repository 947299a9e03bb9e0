"""Clients: calls from the order service to its neighbours."""
