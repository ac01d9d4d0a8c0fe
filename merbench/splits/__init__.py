"""Protocols applied to clip tables: selected clips, their labels, and folds."""
