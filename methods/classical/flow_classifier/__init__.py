"""One feature of the flow image and one estimator."""
