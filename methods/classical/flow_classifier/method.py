"""A feature of the flow image and an estimator, named or picked within the training clips."""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator
from sklearn.metrics import f1_score
from sklearn.model_selection import GroupKFold, cross_val_predict

from merbench.contracts.inputs import Inputs
from merbench.contracts.methods import MethodConfig, RunContext, TrainingData
from merbench.training.sklearn_method import SklearnMethod

from .estimators import make
from .features import FEATURES

Feature = Literal["pixels", "blocks", "dct", "hoof", "biwoof", "lbp", "hog"]
Estimator = Literal[
    "svm-rbf", "svm-linear", "logistic", "ridge", "lda", "pca-lda", "knn", "naive-bayes", "random-forest",
    "extra-trees", "boosting", "gaussian-process", "perceptron",
]  # fmt: skip


class Settings(MethodConfig):
    """Settings.

    - feature, estimator: one of each; see ``features.py`` and ``estimators.py``
    - balanced: weigh classes by the inverse of their number of clips
    - strength: of the regularisation, C or alpha; by default scikit-learn's
    - nested: pick feature, estimator and strength within the training clips of each fold, in place of the above
    - inner_folds: folds of subjects for it
    """

    feature: Feature = "pixels"
    estimator: Estimator = "svm-rbf"
    balanced: bool = True
    strength: float | None = Field(None, gt=0)
    nested: bool = False
    inner_folds: int = Field(5, ge=2)

    @model_validator(mode="after")
    def _consistent(self) -> "Settings":
        make(self.estimator, 0, self.balanced, self.strength, np.arange(2))
        return self


class Candidate(NamedTuple):
    """What the nested choice may pick."""

    feature: Feature
    estimator: Estimator
    strength: float | None


#: All that the nested choice tries, in this order; the first of equals is picked.
CANDIDATES = (
    *(Candidate(f, "svm-rbf", c) for f in ("blocks", "dct", "hoof", "biwoof") for c in (0.1, 1.0, 10.0)),
    *(Candidate(f, "svm-linear", c) for f in ("blocks", "dct", "hoof") for c in (0.001, 0.01, 0.1)),
    *(Candidate(f, "ridge", a) for f in ("pixels", "blocks", "dct") for a in (10.0, 100.0, 1000.0)),
    *(Candidate(f, "logistic", c) for f in ("blocks", "hoof") for c in (0.01, 0.1)),
    *(Candidate(f, "lda", None) for f in ("blocks", "dct", "hoof", "biwoof")),
)


class FlowClassifier(SklearnMethod):
    """A classical classifier on the flow image."""

    Config = Settings
    config: Settings

    def __init__(self, config: Settings, problem: Any) -> None:
        super().__init__(config, problem)
        self.picked = Candidate(config.feature, config.estimator, config.strength)

    def features(self, inputs: Inputs) -> npt.NDArray[Any]:
        """Return the feature, (n_clips, n_features)."""
        return FEATURES[self.picked.feature](inputs["flow"].batch())

    def estimator(self, seed: int) -> Any:
        """Return the estimator."""
        return self._made(self.picked, seed)

    def fit(self, train: TrainingData, run: RunContext) -> None:
        """Pick what is to be fitted, if the choice is nested, and fit it."""
        self._labels = train.labels
        if self.config.nested:
            self.picked = self._pick(train, run.stream_seed("nested") % 2**32)
        super().fit(train, run)

    def _made(self, candidate: Candidate, seed: int) -> Any:
        return make(candidate.estimator, seed, self.config.balanced, candidate.strength, self._labels)

    def _pick(self, train: TrainingData, seed: int) -> Candidate:
        """Return the candidate of the highest UF1, pooled over inner folds of subjects."""
        people = np.array([f"{d}/{s}" for d, s in zip(train.datasets, train.subjects, strict=True)])
        folds = min(self.config.inner_folds, len(np.unique(people)))
        if folds < 2:
            return self.picked
        splits = list(GroupKFold(folds, shuffle=True, random_state=seed).split(people, groups=people))
        # scikit-learn's discriminant needs its priors for the classes that it sees.
        every = len(np.unique(train.labels))
        splits = [(a, b) for a, b in splits if len(np.unique(train.labels[a])) == every]
        if len(splits) < folds:
            return self.picked
        scores = list(self._scores(train, splits, seed))
        return CANDIDATES[int(np.argmax(scores))]

    def _scores(self, train: TrainingData, splits: list[Any], seed: int) -> Iterator[float]:
        images = train.inputs["flow"].batch()
        found: dict[str, npt.NDArray[Any]] = {}
        for candidate in CANDIDATES:
            name = candidate.feature
            found[name] = found[name] if name in found else FEATURES[name](images)
            predicted = cross_val_predict(self._made(candidate, seed), found[name], train.labels, cv=splits)
            yield f1_score(train.labels, predicted, average="macro")
