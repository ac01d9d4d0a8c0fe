"""Clips to arrays: what methods declare, built from what a database holds."""

#: Counted up when a change here changes the numbers that methods get; part of every result's key.
CODE_VERSION = 1
