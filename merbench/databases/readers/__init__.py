"""Databases of frames, a file each: the facts of its layout, its sheet and its spelling."""
