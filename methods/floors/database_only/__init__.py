"""A sanity row: the score from knowing only the database of a clip."""
