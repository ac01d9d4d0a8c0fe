"""A baseline, see its card."""
