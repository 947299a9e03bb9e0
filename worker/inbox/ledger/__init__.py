"""The tables of the build before the inbox: taken over at the start, and given back on request."""
