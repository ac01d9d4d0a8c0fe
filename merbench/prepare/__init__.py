"""Clips to arrays: the inputs that methods declare, built from the frames of a database."""

#: Incremented when a change here changes the arrays that methods get; part of every resume key.
CODE_VERSION = 1
