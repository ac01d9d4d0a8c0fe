"""StandardScaler, then an SVC for each action unit, on the values of the flow image."""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from merbench.contracts.inputs import Inputs
from merbench.contracts.methods import MethodConfig, Prediction, Problem, RunContext, TrainingData


class Settings(MethodConfig):
    """Settings of scikit-learn's ``SVC``."""

    kernel: Literal["rbf", "linear", "poly"] = "rbf"
    C: float = Field(1.0, gt=0)
    class_weight: Literal["balanced"] | None = "balanced"


class SvmFlowAus:
    """One against the rest, for each action unit, on the clips of which it is known."""

    Config = Settings

    def __init__(self, config: Settings, problem: Problem) -> None:
        self.config = config
        self.problem = problem

    def fit(self, train: TrainingData, run: RunContext) -> None:
        """Fit a machine an action unit."""
        values = _values(train.inputs)
        self._scaler = StandardScaler().fit(values)
        scaled = self._scaler.transform(values)
        self._machines = [self._machine(scaled, truth) for truth in train.labels.T]

    def _machine(self, values: npt.NDArray[Any], truth: npt.NDArray[Any]) -> SVC | float:
        """Return the machine of a unit; where all training clips show it, or none does, that answer."""
        known = ~np.isnan(truth)
        if len(set(truth[known])) < 2:
            return 1.0 if (truth[known] == 1).any() else -1.0
        machine = SVC(kernel=self.config.kernel, C=self.config.C, class_weight=self.config.class_weight)
        return machine.fit(values[known], truth[known].astype(int))

    def predict(self, inputs: Inputs) -> Prediction:
        """Return each machine's decision function: above 0 it says that the unit is shown."""
        scaled = self._scaler.transform(_values(inputs))
        scores = [
            np.full(inputs.clips, machine) if isinstance(machine, float) else machine.decision_function(scaled)
            for machine in self._machines
        ]
        return Prediction(np.stack(scores, axis=1))


def _values(inputs: Inputs) -> npt.NDArray[Any]:
    """Return the image's values scaled to 0..1, shape (n_clips, 28 * 28 * 3)."""
    return inputs["flow"].batch().reshape(inputs.clips, -1) / 255.0
