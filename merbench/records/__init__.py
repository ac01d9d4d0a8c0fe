"""What was predicted, by whom, on what: the records of runs, verified on every read. The bridge between the wings."""
