"""A sanity row: the score from knowing only the duration of a clip."""
