"""From a plan to records: runs, their folds, how each is executed without a leak, and what is kept of it."""

#: Increment when a change here alters what methods receive, such as seeds or orders; part of every resume key.
CODE_VERSION = 1
