"""Scoring: data frames in, data frames out. It knows nothing of training."""
