"""Scoring: data frames in, data frames out, independent of training."""

#: Increment when a change here alters a figure: scores that are cached under another version are computed again.
VERSION = 1
