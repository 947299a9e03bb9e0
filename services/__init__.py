"""The shop's neighbours: services of their own that meet it on the wire alone."""
