"""Support vector machines on standardised features, with the settings that methods share."""

from typing import Literal

from pydantic import Field
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from merbench.contracts.methods import MethodConfig


class SvmConfig(MethodConfig):
    """Settings of scikit-learn's ``SVC``."""

    kernel: Literal["rbf", "linear", "poly"] = "rbf"
    C: float = Field(1.0, gt=0)
    class_weight: Literal["balanced"] | None = "balanced"

    def svc(self) -> SVC:
        """Return a machine with these settings, not yet fitted."""
        return SVC(kernel=self.kernel, C=self.C, class_weight=self.class_weight)


def scaled_svm() -> Pipeline:
    """Return StandardScaler and SVC as ``svm-flow`` has them, so that rows differ in their features only."""
    return make_pipeline(StandardScaler(), SvmConfig().svc())
