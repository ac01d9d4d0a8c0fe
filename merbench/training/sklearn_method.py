"""The adapter for scikit-learn estimators: a method names its features and its estimator, the rest is here."""

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from merbench.contracts.inputs import Inputs
from merbench.contracts.methods import MethodConfig, Prediction, Problem, RunContext, TrainingData


class SklearnMethod:
    """Base of methods that are a scikit-learn classifier. A subclass defines `features` and `estimator`.

    The labels are the estimator's own ``predict``; the scores its ``predict_proba``, or its ``decision_function`` where
    it has no probabilities. A class that the training clips lack gets the clip's lowest score, or 0 if that is lower.
    """

    Config: ClassVar[type[MethodConfig]] = MethodConfig

    def __init__(self, config: Any, problem: Problem) -> None:
        self.config = config
        self.problem = problem

    def features(self, inputs: Inputs) -> npt.NDArray[Any]:
        """Return the feature matrix of some clips, shape (n_clips, n_features), each row from its own clip only."""
        raise NotImplementedError(f"{type(self).__name__} must define features(inputs)")

    def estimator(self, seed: int) -> Any:
        """Return a fresh classifier; `seed`, below 2**32, is for its ``random_state``."""
        raise NotImplementedError(f"{type(self).__name__} must define estimator(seed)")

    def fit(self, train: TrainingData, run: RunContext) -> None:
        """Fit the estimator to the training clips."""
        self._fitted = self.estimator(run.stream_seed("estimator") % 2**32)
        self._fitted.fit(self.features(train.inputs), train.labels)

    def predict(self, inputs: Inputs) -> Prediction:
        """Predict with the fitted estimator."""
        features = self.features(inputs)
        labels = np.asarray(self._fitted.predict(features), dtype=np.int64)
        if hasattr(self._fitted, "predict_proba"):
            known = self._fitted.predict_proba(features)
        else:
            known = self._fitted.decision_function(features)
            known = np.column_stack([-known, known]) if known.ndim == 1 else known
        # A class that the training clips lack is given each clip's own lowest score, never that of the batch.
        lowest = known.min(axis=1, keepdims=True, initial=0.0)
        scores = np.repeat(lowest, len(self.problem.outputs), axis=1)
        scores[:, self._fitted.classes_] = known
        return Prediction(scores, labels)
