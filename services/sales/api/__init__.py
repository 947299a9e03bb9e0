"""The doors of the sales: HTTP in, HTTP out."""
