"""The Member API's doors: HTTP in, HTTP out."""
