"""StandardScaler, then SVC, on the duration of a clip."""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.pipeline import Pipeline

from merbench.contracts.inputs import Inputs
from merbench.training.sklearn_method import SklearnMethod
from merbench.training.svm import scaled_svm


class DurationOnly(SklearnMethod):
    """A support vector machine on the duration."""

    def features(self, inputs: Inputs) -> npt.NDArray[Any]:
        """Return the logarithm of the duration, shape (n_clips, 1)."""
        return np.asarray(np.log(inputs["facts"].batch()))

    def estimator(self, seed: int) -> Pipeline:
        """Return the classifier of ``svm-flow``."""
        return scaled_svm()
