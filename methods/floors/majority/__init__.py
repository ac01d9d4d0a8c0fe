"""The floor: the commonest class of the training clips, whatever is shown."""
