"""Bearer tokens: whose they are, the keys that verify them, and what their holders may do."""
