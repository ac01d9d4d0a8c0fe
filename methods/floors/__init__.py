"""Floors: methods that see no motion. A score is worth what it has beyond theirs."""
