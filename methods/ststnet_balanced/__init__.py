"""STSTNet with balanced classes."""
