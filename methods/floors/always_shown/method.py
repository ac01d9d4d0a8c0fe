"""Every action unit, always."""

import numpy as np

from merbench.contracts.inputs import Inputs
from merbench.contracts.methods import MethodConfig, Prediction, Problem, RunContext, TrainingData


class AlwaysShown:
    """Looks at nothing."""

    Config = MethodConfig

    def __init__(self, config: MethodConfig, problem: Problem) -> None:
        self.problem = problem

    def fit(self, train: TrainingData, run: RunContext) -> None:
        """Learn nothing."""

    def predict(self, inputs: Inputs) -> Prediction:
        """Say of every action unit that it is shown."""
        return Prediction(np.ones((inputs.clips, len(self.problem.outputs))))
