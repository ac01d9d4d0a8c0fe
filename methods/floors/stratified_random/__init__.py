"""A random floor: classes drawn with the frequencies of the training clips."""
