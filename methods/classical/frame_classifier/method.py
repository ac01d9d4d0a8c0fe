"""A hand-crafted feature of the frames of a clip and an estimator."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator
from sklearn.pipeline import Pipeline

from merbench.contracts.inputs import Flow, FlowSeries, Frames, Inputs, InputSpec, Landmarks
from merbench.contracts.methods import MethodConfig, RunContext, TrainingData
from merbench.training.sklearn_method import SklearnMethod

from ..flow_classifier.estimators import make
from ..flow_classifier.features import bi_woof
from . import features
from .kept_features import once_a_clip

Steady = Literal["svm-rbf", "svm-linear", "logistic", "ridge", "lda", "pca-lda", "knn", "naive-bayes"]


class Settings(MethodConfig):
    """Settings.

    - feature: see ``features.py``
    - estimator: those of `flow-classifier` without random numbers
    - balanced, strength: as there
    - size: side of the face in pixels
    - grid: blocks along each side; of all but ``mdmo``
    - steps: blocks along time, of ``lbp-top`` and ``hog-3d``
    - count: frames of a clip, but of ``bi-woof``; by the temporal interpolation model for ``lbp-top`` and ``hog-3d``
    - radii, points: of ``lbp-top``, along x, y and time
    """

    feature: Literal["lbp-top", "bi-woof", "mdmo", "hog-3d", "hoof"] = "lbp-top"
    estimator: Steady = "svm-linear"
    balanced: bool = True
    strength: float | None = Field(None, gt=0)
    size: int = Field(112, ge=16)
    grid: int = Field(5, ge=1)
    steps: int = Field(1, ge=1)
    count: int = Field(10, ge=2)
    radii: tuple[int, int, int] = (1, 1, 4)
    points: Literal[4, 8] = 4

    @model_validator(mode="after")
    def _consistent(self) -> "Settings":
        make(self.estimator, 0, self.balanced, self.strength, np.arange(2))
        for length, radius, blocks, named in (
            (self.size, max(self.radii[:2]), self.grid, "size, radii and grid"),
            (self.count, self.radii[2], self.steps, "count, radii and steps"),
        ):
            left = length - 2 * radius
            if self.feature == "lbp-top" and (min(self.radii) < 1 or left < blocks):
                raise ValueError(f"{named} do not fit: radius {radius} leaves {left} of {length} for {blocks} blocks")
        if self.feature == "bi-woof" and self.size % self.grid:
            raise ValueError(f"size {self.size} must be a multiple of grid {self.grid}")
        return self


class FrameClassifier(SklearnMethod):
    """A classical classifier on the frames of a clip."""

    Config = Settings
    config: Settings

    @classmethod
    def declare_inputs(cls, config: Settings) -> Mapping[str, InputSpec]:
        """Return what the feature is computed from."""
        size, count = config.size, config.count
        if config.feature in ("lbp-top", "hog-3d"):
            return {"frames": Frames(count=count, size=size, sampling="tim")}
        if config.feature == "bi-woof":
            return {"flow": Flow(size=size, face_size=size, normalise="none")}
        if config.feature == "mdmo":
            return {"flow": FlowSeries(count=count, size=size), "points": Landmarks(size=size)}
        return {"flow": FlowSeries(count=count, size=size, reference="previous")}

    def fit(self, train: TrainingData, run: RunContext) -> None:
        """Fit the estimator to the training clips."""
        self._labels = train.labels
        super().fit(train, run)

    def estimator(self, seed: int) -> Pipeline:
        """Return the estimator."""
        config = self.config
        return make(config.estimator, seed, config.balanced, config.strength, self._labels)

    def features(self, inputs: Inputs) -> npt.NDArray[Any]:
        """Return the feature, (n_clips, n_features)."""
        config, named = self.config, type(self).declare_inputs(self.config)
        name = config.model_dump_json(exclude={"estimator", "balanced", "strength"})
        return once_a_clip((type(self), name), self._feature, *(inputs[each].batch() for each in named))

    def _feature(self, *arrays: npt.NDArray[Any]) -> npt.NDArray[Any]:
        config = self.config
        blocks = (config.grid, config.grid, config.steps)
        if config.feature == "lbp-top":
            return features.lbp_top(arrays[0][..., 0], config.radii, config.points, blocks)
        if config.feature == "hog-3d":
            return features.hog_3d(arrays[0][..., 0], blocks)
        if config.feature == "bi-woof":
            u, v, strain = np.moveaxis(arrays[0], -1, 0)
            return bi_woof(u, v, strain, config.grid)
        return features.mdmo(*arrays) if config.feature == "mdmo" else features.hoof_over_time(arrays[0], config.grid)
