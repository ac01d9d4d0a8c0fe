import numpy as np


def distance(a, b, power):
    return np.abs(a - b) ** power
