"""A sanity row: the score from a face before it moves."""
