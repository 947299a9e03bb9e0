"""HTTP: the server, what stands around handlers, what they read and answer by, tokens, documents, probes."""
