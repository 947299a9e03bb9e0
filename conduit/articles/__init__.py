"""Articles: what is written, its tags, favourites and comments, with a copy of who wrote it."""
