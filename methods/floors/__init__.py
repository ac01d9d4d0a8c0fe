"""Floors: methods that do not see motion. A score counts only as far as it exceeds theirs."""
