"""Records of runs, verified on every read: predictions, settings, data. The bridge between the two wings."""
