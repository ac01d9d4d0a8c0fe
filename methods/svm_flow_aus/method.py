"""StandardScaler, then an SVC for each action unit, on the values of the flow image."""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from merbench.contracts.inputs import Inputs
from merbench.contracts.methods import Prediction, Problem, RunContext, TrainingData
from merbench.training.svm import SvmConfig


class SvmFlowAus:
    """One SVC per action unit, trained on the clips for which it is annotated."""

    Config = SvmConfig

    def __init__(self, config: SvmConfig, problem: Problem) -> None:
        self.config = config
        self.problem = problem

    def fit(self, train: TrainingData, run: RunContext) -> None:
        """Fit one machine per action unit."""
        values = _values(train.inputs)
        self._scaler = StandardScaler().fit(values)
        scaled = self._scaler.transform(values)
        self._machines = [self._machine(scaled, truth) for truth in train.labels.T]

    def _machine(self, values: npt.NDArray[Any], truth: npt.NDArray[Any]) -> SVC | float:
        """Return the machine of an action unit; or a constant score where all training clips agree."""
        known = ~np.isnan(truth)
        if len(set(truth[known])) < 2:
            return 1.0 if (truth[known] == 1).any() else -1.0
        return self.config.svc().fit(values[known], truth[known].astype(int))

    def predict(self, inputs: Inputs) -> Prediction:
        """Return each machine's decision function: above 0 the action unit is predicted."""
        scaled = self._scaler.transform(_values(inputs))
        scores = [
            np.full(inputs.clips, machine) if isinstance(machine, float) else machine.decision_function(scaled)
            for machine in self._machines
        ]
        return Prediction(np.stack(scores, axis=1))


def _values(inputs: Inputs) -> npt.NDArray[Any]:
    """Return the image's values scaled to 0..1, shape (n_clips, 28 * 28 * 3)."""
    return inputs["flow"].batch().reshape(inputs.clips, -1) / 255.0
