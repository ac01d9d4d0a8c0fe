"""A sanity row: what the length of a clip is worth."""
