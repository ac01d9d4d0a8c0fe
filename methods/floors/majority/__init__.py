"""The floor: the most frequent class of the training clips, for every clip."""
