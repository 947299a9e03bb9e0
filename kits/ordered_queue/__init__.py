"""A leased queue in a PostgreSQL table: each key's items go to a sink in the order of their numbers."""
