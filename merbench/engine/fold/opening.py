"""Open a fold's data for its method: copies, and no label, name or order that would reveal a test clip's class."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from merbench.contracts.databases import persons
from merbench.contracts.digests import derived_seed
from merbench.contracts.inputs import Inputs
from merbench.contracts.methods import AuxiliaryData, Method, MethodConfig, TrainingData
from merbench.splits.folds import Fold
from merbench.splits.split import Split

#: An opened fold: training clips, test clips, and the rows of the split that these are, in their order.
Opened = tuple[TrainingData, Inputs, npt.NDArray[np.intp]]


@dataclass(frozen=True)
class FoldTask:
    """Everything needed to train and test folds of one run, on any machine.

    Attributes
    ----------
    inputs : Inputs
        For all clips of the split, in its order.
    seed : int
        The run's; the streams of each fold are derived from it and the fold's name.
    transductive : bool
        Both card and protocol are transductive.
    au_labels_at_test : bool
        The card discloses that labels of the test clips are an input.
    shuffled : bool
        Shuffle the annotations of the training clips and of auxiliary data: labels, and inputs for training only.
    selection : str
        Which epoch counts, one of :data:`merbench.engine.fold.selection.SELECTIONS`.
    keep_epochs, diagnose : bool
        Keep the predictions of the test clips after each epoch; the diagnostics of a method that has ``diagnose``.
    requires : tuple of str
        Packages that the method requires or imports, and those of its input kinds, whose versions are recorded.
    read : mapping
        Files outside the method's folder that its module read when it was imported, with SHA-256.
    auxiliary : mapping
        The databases that the configuration pretrains on, with all their clips.
    same_people : mapping
        Datasets that share their people, see :func:`merbench.contracts.databases.persons`.
    label : str
        What messages call the method.
    as_given : bool
        The test clips of a fold are given in the order that they have in it: whoever made the fold drew it.
    kept : Path, optional
        Folder of pretraining that all folds of a run share, named by what it depends on; see
        :mod:`merbench.engine.fold.pretraining`. None: nothing is kept.
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
    requires: tuple[str, ...] = ()
    read: Mapping[str, str] = field(default_factory=dict)
    auxiliary: Mapping[str, AuxiliaryData] = field(default_factory=dict)
    same_people: Mapping[str, str] = field(default_factory=dict)
    label: str = "the method"
    kept: Path | None = None
    as_given: bool = False


def open_fold(task: FoldTask, fold: Fold, subset: Fold) -> Opened:
    """Open the data of a `subset` of a fold, which may have other test clips: copies, the test clips without labels.

    The fold's name determines the random streams, and with them the order of the test clips.
    """
    # Random order, independent of subject and label; the same for every method, so that ablations are paired.
    order = np.random.default_rng(derived_seed(fold_seed(task, fold), "test-order"))
    given = task.as_given and subset.test is fold.test
    test_rows = subset.test if given else order.permutation(subset.test)
    shown = task.inputs if task.au_labels_at_test else task.inputs.without_labels()
    train = TrainingData(
        _training_inputs(task, fold, subset),
        fold_labels(task, fold)[subset.train],
        task.split.problem,
        task.split.subjects[subset.train],
        task.split.datasets[subset.train],
        shown.take(test_rows) if task.transductive else None,
    )
    return train, shown.take(test_rows), test_rows


def fold_labels(task: FoldTask, fold: Fold) -> npt.NDArray[Any]:
    """Return the labels of all clips, those of the training clips shuffled if the task says so."""
    return task.split.labels[_annotated_as(task, fold)]


def _training_inputs(task: FoldTask, fold: Fold, subset: Fold) -> Inputs:
    inputs = task.inputs.take(subset.train)
    if not task.shuffled:
        return inputs
    annotated = task.inputs.take(_annotated_as(task, fold)[subset.train])
    chosen = {name: (annotated if inputs[name].spec.training_only else inputs)[name] for name in inputs.names()}
    return Inputs(chosen, inputs.clips)


def _annotated_as(task: FoldTask, fold: Fold) -> npt.NDArray[np.intp]:
    """Return for each clip the row whose annotation it is trained with: its own, unless the task shuffles."""
    rows = np.arange(len(task.split.labels))
    if task.shuffled:
        rng = np.random.default_rng(derived_seed(fold_seed(task, fold), "shuffled-labels"))
        rows[fold.train] = rng.permutation(fold.train)
    return rows


def fold_seed(task: FoldTask, fold: Fold) -> int:
    """Return the seed of everything that is drawn for a fold."""
    return derived_seed(task.seed, fold.name)


def auxiliary_data(task: FoldTask, tested: npt.NDArray[np.intp]) -> Callable[[str], AuxiliaryData]:
    """Return a function that gives declared pretraining clips, without the people of the tested or held-out clips."""
    held_out = sorted(set(persons(task.split.clips.iloc[tested], task.same_people)))
    # A method can access only the filtered copies, never the table or the held-out names.
    ready = {}
    for name, data in task.auxiliary.items():
        rows = np.flatnonzero(~np.isin(auxiliary_people(task, data), held_out))
        ready[name] = _shuffled(data.take(rows), task, name) if task.shuffled else data.take(rows)

    def auxiliary(name: str) -> AuxiliaryData:
        if name not in ready:
            declared = ", ".join(ready) or "none"
            raise LookupError(
                f"auxiliary data {name!r} is not declared by the method in this configuration: {declared}"
            )
        return ready[name]

    return auxiliary


def auxiliary_people(task: FoldTask, data: AuxiliaryData) -> npt.NDArray[Any]:
    """Name the person of each clip of auxiliary data, as :func:`merbench.contracts.databases.persons` does."""
    pairs = zip(data.datasets, data.subjects, strict=True)
    names = [f"{task.same_people.get(dataset, dataset)}/{subject[len(dataset) + 1 :]}" for dataset, subject in pairs]
    return np.array(names, dtype=object)


def _shuffled(data: AuxiliaryData, task: FoldTask, name: str) -> AuxiliaryData:
    """Shuffle the annotations of clips: otherwise a method would learn from true labels what it should not know."""
    rows = np.random.default_rng(derived_seed(task.seed, f"{name}:shuffled-labels")).permutation(len(data))
    annotated, inputs = data.take(rows), data.inputs
    both = {each: annotated.inputs if inputs[each].spec.training_only else inputs for each in inputs.names()}
    chosen = Inputs({each: of[each] for each, of in both.items()}, inputs.clips)
    return replace(data, inputs=chosen, labels=annotated.labels, emotions=annotated.emotions)
