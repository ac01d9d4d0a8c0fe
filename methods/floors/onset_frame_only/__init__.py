"""A sanity row: what a face is worth that has not moved yet."""
