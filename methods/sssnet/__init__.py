"""SSSNet: a shallow single-stream net on the flow image."""
