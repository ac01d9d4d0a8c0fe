"""StandardScaler, then SVC, on the values of the onset frame."""

from typing import Any

import numpy.typing as npt
from sklearn.pipeline import Pipeline

from merbench.contracts.inputs import Inputs
from merbench.training.sklearn_method import SklearnMethod
from merbench.training.svm import scaled_svm


class OnsetFrameOnly(SklearnMethod):
    """A support vector machine on a face without motion."""

    def features(self, inputs: Inputs) -> npt.NDArray[Any]:
        """Return the frame's values scaled to 0..1, shape (n_clips, 28 * 28)."""
        return inputs["frames"].batch().reshape(inputs.clips, -1) / 255.0

    def estimator(self, seed: int) -> Pipeline:
        """Return the classifier of ``svm-flow``."""
        return scaled_svm()
