"""Input kinds: how each is built from the frames of a clip."""
