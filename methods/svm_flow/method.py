"""StandardScaler, then SVC, on the values of the flow image."""

from typing import Any, Literal

import numpy.typing as npt
from pydantic import Field
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from merbench.contracts.inputs import Inputs
from merbench.contracts.methods import MethodConfig
from merbench.training.sklearn_method import SklearnMethod


class Config(MethodConfig):
    """Settings of scikit-learn's ``SVC``."""

    kernel: Literal["rbf", "linear", "poly"] = "rbf"
    C: float = Field(1.0, gt=0)
    class_weight: Literal["balanced"] | None = "balanced"


class SvmFlow(SklearnMethod):
    """A support vector machine on the flow image."""

    Config = Config

    def features(self, inputs: Inputs) -> npt.NDArray[Any]:
        """Return the image's values scaled to 0..1, shape (n_clips, 28 * 28 * 3)."""
        return inputs["flow"].batch().reshape(inputs.clips, -1) / 255.0

    def estimator(self, seed: int) -> Pipeline:
        """Return the pipeline."""
        svc = SVC(kernel=self.config.kernel, C=self.config.C, class_weight=self.config.class_weight)
        return make_pipeline(StandardScaler(), svc)
