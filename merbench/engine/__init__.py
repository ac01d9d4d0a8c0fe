"""From a plan to records: runs, their folds, how each is executed without a leak, and what is kept of it."""

#: Counted up when a change here changes what methods are handed, such as seeds or orders; part of every result's key.
CODE_VERSION = 1
