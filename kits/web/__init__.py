"""HTTP: problems, tokens, limits, probes, the server."""
