"""Scoring: data frames in, data frames out. It knows nothing of training."""

#: Increment when a change here alters a figure: scores that are cached under another version are computed again.
VERSION = 1
