"""Rows, ablations, explanations and the audit as tables."""
