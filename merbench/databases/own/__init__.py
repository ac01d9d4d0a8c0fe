"""Databases of one's own: a table of clips, and their frames or ready-made arrays."""
