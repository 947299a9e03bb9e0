"""Problem details (RFC 9457), and the log of what failed."""
