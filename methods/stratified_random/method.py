"""Classes drawn as often as the training clips show them."""

from hashlib import sha256

import numpy as np

from merbench.contracts.inputs import Inputs
from merbench.contracts.methods import MethodConfig, Prediction, Problem, RunContext, TrainingData


class StratifiedRandom:
    """Draws each clip's class from the frequencies of the training clips."""

    Config = MethodConfig

    def __init__(self, config: MethodConfig, problem: Problem) -> None:
        self.config = config
        self.problem = problem

    def fit(self, train: TrainingData, run: RunContext) -> None:
        """Count the classes."""
        self._share = np.bincount(train.labels, minlength=len(self.problem.outputs)) / len(train)
        self._seed = run.stream_seed("draw")

    def predict(self, inputs: Inputs) -> Prediction:
        """Draw; the scores are the frequencies, the same for every clip."""
        labels = [
            np.random.default_rng(self._clip_seed(clip)).choice(len(self._share), p=self._share)
            for clip in inputs["flow"].batch()
        ]
        return Prediction(np.tile(self._share, (inputs.clips, 1)), np.array(labels, dtype=np.int64))

    def _clip_seed(self, clip: np.ndarray) -> int:
        return int.from_bytes(sha256(self._seed.to_bytes(8, "little") + clip.tobytes()).digest()[:8], "little")
