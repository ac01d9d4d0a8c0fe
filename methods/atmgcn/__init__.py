"""ATM-GCN: a graph of the movements since the onset, one node a frame, whose edges are learned layer by layer."""
