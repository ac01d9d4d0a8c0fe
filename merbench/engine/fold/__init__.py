"""Folds: the only place where a method meets data, and the boundary that no test label crosses."""
