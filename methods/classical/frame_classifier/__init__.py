"""One hand-crafted feature of the frames of a clip and one estimator."""
