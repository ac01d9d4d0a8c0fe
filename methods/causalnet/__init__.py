"""CausalNet: the rise and the decay of a movement, and where the face moves."""
