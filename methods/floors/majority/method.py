"""The commonest class of the training clips."""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.dummy import DummyClassifier

from merbench.contracts.inputs import Inputs
from merbench.training.sklearn_method import SklearnMethod


class Majority(SklearnMethod):
    """Looks at nothing."""

    def features(self, inputs: Inputs) -> npt.NDArray[Any]:
        """Return a column of zeros: there is nothing to see."""
        return np.zeros((inputs.clips, 1))

    def estimator(self, seed: int) -> DummyClassifier:
        """Return scikit-learn's dummy that answers the most frequent class."""
        return DummyClassifier(strategy="most_frequent")
