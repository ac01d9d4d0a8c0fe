"""The most frequent, or most over-represented, class of the clip's own database."""

import numpy as np
import numpy.typing as npt

from merbench.contracts.inputs import Inputs
from merbench.contracts.methods import MethodConfig, Prediction, Problem, RunContext, TrainingData
from merbench.training.shares import shares

Values = npt.NDArray[np.float64]


class Settings(MethodConfig):
    """Score by the frequency of a class in the database, or by its ratio to the frequency in all databases."""

    balanced: bool = False


class DatabaseOnly:
    """Sees the database of a clip only."""

    Config = Settings

    def __init__(self, config: Settings, problem: Problem) -> None:
        self.config = config
        self.problem = problem

    def fit(self, train: TrainingData, run: RunContext) -> None:
        """Count the outputs of each database."""
        databases = _databases(train.inputs)
        everywhere = np.nan_to_num(shares(train.labels, self.problem))
        self._elsewhere = self._scores(everywhere)
        self._scores_of = {}
        for database in np.unique(databases):
            here = shares(train.labels[databases == database], self.problem)
            here = np.where(np.isnan(here), everywhere, here)  # action units that this database does not annotate
            self._scores_of[float(database)] = self._scores(here, everywhere if self.config.balanced else None)

    def _scores(self, here: Values, everywhere: Values | None = None) -> Values:
        """Score the outputs of a database by its shares, or by how they compare with those of all."""
        if self.problem.task == "au-detection":
            return here - (0.5 if everywhere is None else everywhere)
        if everywhere is None:
            return here
        return np.divide(here, everywhere, out=np.zeros_like(here), where=everywhere > 0)

    def predict(self, inputs: Inputs) -> Prediction:
        """Predict each clip from its database."""
        scores = [self._scores_of.get(float(database), self._elsewhere) for database in _databases(inputs)]
        return Prediction(np.array(scores).reshape(inputs.clips, -1))


def _databases(inputs: Inputs) -> Values:
    return np.asarray(inputs["facts"].batch()[:, 0])
