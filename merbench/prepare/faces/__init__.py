"""Faces: found once a clip, and what this machine needs for it."""
