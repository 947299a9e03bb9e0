"""The stream of the sales: how fast it reads, what it costs to keep, and how soon it is back."""
