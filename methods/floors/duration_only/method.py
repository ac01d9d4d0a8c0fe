"""StandardScaler, then SVC, on how long a clip takes."""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from merbench.contracts.inputs import Inputs
from merbench.training.sklearn_method import SklearnMethod


class DurationOnly(SklearnMethod):
    """A support vector machine on one number."""

    def features(self, inputs: Inputs) -> npt.NDArray[Any]:
        """Return the logarithm of the duration, shape (n_clips, 1)."""
        return np.asarray(np.log(inputs["facts"].batch()))

    def estimator(self, seed: int) -> Pipeline:
        """Return the pipeline of ``svm-flow``, so that rows differ in what they see."""
        return make_pipeline(StandardScaler(), SVC(class_weight="balanced"))
