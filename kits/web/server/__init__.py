"""The HTTP/1.1 server: its socket, its connections, what arrives on them, start and stop."""
