"""A toy release in memory, three clips a subject, one of each class; and a protocol that leaves one subject out."""

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from merbench.contracts.clips import clip_table
from merbench.contracts.databases import DatabaseCard, Reading, Source
from merbench.contracts.inputs import Flow
from merbench.contracts.protocols import ProtocolSpec
from merbench.engine.plan.data import Data
from merbench.engine.plan.runs import PreparedProtocol

CLASSES = ["negative", "positive", "surprise"]


class Toy:
    """The release: flow images of random bytes, the same at every call."""

    card = DatabaseCard(name="toy", title="Toy", datasets={"toy": "Toy"}, licence="", source="", offers=(Flow(),))

    def recognises(self, folder):
        return False

    def read(self, folder, corrections=True):
        raise NotImplementedError

    def arrays(self, folder, clips, spec):
        return np.random.default_rng(1).integers(0, 256, (len(clips), 28, 28, 3), dtype=np.uint8)


@cache
def prepared(*folds):
    """Split the release by its subjects, given as names of folds: ``toy/a``, whose clips are ``a_1_1`` to ``a_3_1``."""
    subjects = [fold.split("/") for fold in folds]
    datasets = {dataset: dataset for dataset, _ in subjects}
    rules = {name: {"title": name, "classes": {}} for name in datasets}
    spec = ProtocolSpec(
        name="toy", title="Toy", summary="A toy.", source={"text": "tests"}, classes=CLASSES, datasets=rules,
        folds="leave-one-subject-out",
    )  # fmt: skip
    rows = [
        {"dataset": dataset, "subject": subject, "clip": f"{subject}_{n + 1}_1", "emotion": name}
        for dataset, subject in subjects
        for n, name in enumerate(CLASSES)
    ]
    toy = Toy()
    toy.card = Toy.card.model_copy(update={"datasets": datasets})
    source = Source(toy, Path(), Reading(clip_table(pd.DataFrame(rows), "toy"), ""))
    return PreparedProtocol.of(spec, Data("toy", "for the tests", (source,)))
