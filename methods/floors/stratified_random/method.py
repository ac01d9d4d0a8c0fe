"""Classes, or action units, drawn with the frequencies of the training clips."""

from hashlib import sha256

import numpy as np

from merbench.contracts.inputs import Inputs
from merbench.contracts.methods import MethodConfig, Prediction, Problem, RunContext, TrainingData
from merbench.training.shares import shares


class StratifiedRandom:
    """Draws each clip's class, or each of its action units, from the frequencies of the training clips."""

    Config = MethodConfig

    def __init__(self, config: MethodConfig, problem: Problem) -> None:
        self.config = config
        self.problem = problem

    def fit(self, train: TrainingData, run: RunContext) -> None:
        """Count the training labels."""
        self._share = np.nan_to_num(shares(train.labels, self.problem))
        self._seed = run.stream_seed("draw")

    def predict(self, inputs: Inputs) -> Prediction:
        """Draw; scores are the frequency of a class, or of an action unit minus the number drawn."""
        generators = [np.random.default_rng(self._clip_seed(clip)) for clip in inputs["flow"].batch()]
        if self.problem.task == "au-detection":
            return Prediction(np.stack([self._share - rng.random(len(self._share)) for rng in generators]))
        labels = [rng.choice(len(self._share), p=self._share) for rng in generators]
        return Prediction(np.tile(self._share, (inputs.clips, 1)), np.array(labels, dtype=np.int64))

    def _clip_seed(self, clip: np.ndarray) -> int:
        return int.from_bytes(sha256(self._seed.to_bytes(8, "little") + clip.tobytes()).digest()[:8], "little")
