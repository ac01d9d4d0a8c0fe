"""From a plan to records: runs, their folds, how each is executed without a leak, and what is kept of it."""
