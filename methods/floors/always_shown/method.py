"""Predict every action unit for every clip."""

import numpy as np

from merbench.contracts.inputs import Inputs
from merbench.contracts.methods import MethodConfig, Prediction, Problem, RunContext, TrainingData


class AlwaysShown:
    """Ignores its inputs."""

    Config = MethodConfig

    def __init__(self, config: MethodConfig, problem: Problem) -> None:
        self.problem = problem

    def fit(self, train: TrainingData, run: RunContext) -> None:
        """Learn nothing."""

    def predict(self, inputs: Inputs) -> Prediction:
        """Predict every action unit."""
        return Prediction(np.ones((inputs.clips, len(self.problem.outputs))))
