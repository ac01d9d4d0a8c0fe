"""STSTNet: a shallow triple stream net on the flow image."""
