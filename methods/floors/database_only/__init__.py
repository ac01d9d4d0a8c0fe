"""A sanity row: what knowing a clip's database is worth."""
