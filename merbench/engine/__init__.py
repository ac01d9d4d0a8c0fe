"""From a plan to records: plans of runs, the boundary of folds, and the execution of jobs."""

#: Increment when a change here alters what methods receive, such as seeds or orders; part of every resume key.
CODE_VERSION = 1
