"""The shop's doors: HTTP in, HTTP out."""
