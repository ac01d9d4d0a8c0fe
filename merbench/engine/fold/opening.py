"""What a fold's method is handed: copies, and no label, name or order from which a test clip's class could be told."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.contracts.databases import persons
from merbench.contracts.digests import derived_seed
from merbench.contracts.inputs import Inputs
from merbench.contracts.methods import AuxiliaryData, Method, MethodConfig, TrainingData
from merbench.splits.folds import Fold
from merbench.splits.split import Split


@dataclass(frozen=True)
class Auxiliary:
    """Pretraining clips as read, before the held-out subjects are taken away."""

    clips: pd.DataFrame
    inputs: Inputs


@dataclass(frozen=True)
class FoldTask:
    """All that is needed to train and test folds of one run, wherever that happens.

    Attributes
    ----------
    method : type
        The method's class.
    inputs : Inputs
        Of all the split's clips, in its order.
    seed : int
        The run's seed; each fold's streams are hashed from it and the fold's name.
    transductive : bool
        Card and protocol both say so.
    au_labels_at_test : bool
        The card admits that labels of the test clips are an input.
    shuffled : bool
        Shuffle what is annotated of the training clips, labels and inputs that are for training only: what is then
        learned from them is nothing.
    selection : str
        Which epoch counts, one of :data:`merbench.engine.fold.selection.SELECTIONS`.
    keep_epochs : bool
        Predict the test clips after each epoch, and keep that.
    diagnose : bool
        Ask the method what it tells of itself, and keep that; its class must have ``diagnose``.
    device : str
        A torch device.
    auxiliary : mapping
        Declared pretraining data.
    same_people : mapping
        Datasets that share their people.
    """

    method: type[Method]
    config: MethodConfig
    split: Split
    inputs: Inputs
    seed: int
    transductive: bool = False
    au_labels_at_test: bool = False
    shuffled: bool = False
    selection: str = "last"
    keep_epochs: bool = False
    diagnose: bool = False
    device: str = "cpu"
    threads: int = 1
    auxiliary: Mapping[str, Auxiliary] = field(default_factory=dict)
    same_people: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class OpenedFold:
    """What a method is handed of a fold: copies, the test clips without labels and in an order that means nothing.

    Attributes
    ----------
    test_rows : ndarray of int
        Rows of the split, in the order of `test`.
    """

    train: TrainingData
    test: Inputs
    test_rows: npt.NDArray[np.intp]

    def by_identity(self) -> npt.NDArray[np.intp]:
        """Return the rows of `test` sorted by identity, as the split is, and records are."""
        return np.argsort(self.test_rows)


def open_fold(task: FoldTask, fold: Fold, part: Fold) -> OpenedFold:
    """Open a fold's data, or that of a part of it: fewer clips to train on, or others to test.

    Parameters
    ----------
    task : FoldTask
        The run.
    fold : Fold
        Of the run: what is drawn follows from its name.
    part : Fold
        Which of its clips to train on, and which to test.
    """
    # An order that says nothing of subject or label; the same whatever the method, so that ablations stay paired.
    order = np.random.default_rng(derived_seed(fold_seed(task, fold), "test-order"))
    test_rows = order.permutation(part.test)
    shown = task.inputs if task.au_labels_at_test else task.inputs.without_labels()
    train = TrainingData(
        _training_inputs(task, fold, part),
        fold_labels(task, fold)[part.train],
        task.split.problem,
        task.split.subjects[part.train],
        task.split.datasets[part.train],
        shown.take(test_rows) if task.transductive else None,
    )
    return OpenedFold(train, shown.take(test_rows), test_rows)


def fold_labels(task: FoldTask, fold: Fold) -> npt.NDArray[Any]:
    """Return the labels of all clips, those of the training clips shuffled where the task says so."""
    return task.split.labels[_annotated_as(task, fold)]


def _training_inputs(task: FoldTask, fold: Fold, part: Fold) -> Inputs:
    """Return the inputs of a part's training clips, of which annotations are shuffled as labels are."""
    inputs = task.inputs.take(part.train)
    if not task.shuffled:
        return inputs
    annotated = task.inputs.take(_annotated_as(task, fold)[part.train])
    chosen = {name: (annotated if inputs[name].spec.training_only else inputs)[name] for name in inputs.names()}
    return Inputs(chosen, inputs.clips)


def _annotated_as(task: FoldTask, fold: Fold) -> npt.NDArray[np.intp]:
    """Return for each clip the row whose annotation it is trained on with: its own, unless the task says to shuffle."""
    rows = np.arange(len(task.split.labels))
    if task.shuffled:
        rng = np.random.default_rng(derived_seed(fold_seed(task, fold), "shuffled-labels"))
        rows[fold.train] = rng.permutation(fold.train)
    return rows


def fold_seed(task: FoldTask, fold: Fold) -> int:
    """Return what everything that is drawn for a fold follows from."""
    return derived_seed(task.seed, fold.name)


def auxiliary_data(task: FoldTask, tested: npt.NDArray[np.intp]) -> Callable[[str], AuxiliaryData]:
    """Give declared pretraining clips without the people behind the clips that are tested, or held out."""
    held_out = set(persons(task.split.clips.iloc[tested], task.same_people))
    # Only the filtered copies can be reached from what the method is handed, never the table or the held-out names.
    ready = {}
    for name, data in task.auxiliary.items():
        people = persons(data.clips, task.same_people)
        rows = np.flatnonzero(~np.isin(people, sorted(held_out)))
        chosen = data.clips.iloc[rows]
        ready[name] = AuxiliaryData(
            data.inputs.take(rows),
            chosen.emotion.to_numpy(dtype=object),
            (chosen.dataset + "/" + chosen.subject).to_numpy(dtype=object),
            chosen.dataset.to_numpy(dtype=object),
        )

    def auxiliary(name: str) -> AuxiliaryData:
        if name not in ready:
            raise LookupError(f"auxiliary data {name!r} is not declared on the method's card")
        return ready[name]

    return auxiliary
