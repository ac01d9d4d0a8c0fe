"""Synthetic clips in memory for any method: a few subjects, and a signal that a method can learn.

Every subject has the same number of clips of each class, so that the chance level is known exactly.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.contracts.cards import Task, holds
from merbench.contracts.clips import clip_table
from merbench.contracts.databases import persons
from merbench.contracts.digests import derived_seed
from merbench.contracts.inputs import ArrayInput, Inputs, InputSpec
from merbench.contracts.methods import AuxiliaryData, MethodConfig, Problem, declared_auxiliary
from merbench.engine.fold.opening import FoldTask, auxiliary_people
from merbench.engine.plan.catalogue import RegisteredMethod
from merbench.prepare.kinds.kind import kind_of
from merbench.splits.folds import Fold
from merbench.splits.split import Split

Array = npt.NDArray[Any]

CLASSES = ("negative", "positive", "surprise")
VOCABULARY = (1, 4, 12)
People = Mapping[str, tuple[str, ...]]  # dataset -> its subjects
_PEOPLE: People = {"trial-one": ("s1", "s2", "s3"), "trial-two": ("s1", "s2", "s3")}
_VERSIONS = 3  # of a clip, for inputs that are drawn


def synthetic_task(method: RegisteredMethod, config: MethodConfig, task: Task, people: People = _PEOPLE) -> FoldTask:
    """Return the task of running `method` on the synthetic clips, leave-one-subject-out, on the CPU."""
    card, specs = method.card, method.inputs(config, task)
    declared = declared_auxiliary(method.cls, card, config)
    units = next((spec.vocabulary for spec in specs.values() if hasattr(spec, "vocabulary")), VOCABULARY)
    split = _split(people, Problem(task, CLASSES if task == "classification" else tuple(map(str, units[:3]))))
    return FoldTask(
        method=method.cls,
        config=config,
        split=split,
        inputs=_inputs(specs, split),
        seed=0,
        transductive=holds(card.transductive, config),
        au_labels_at_test=card.au_labels_at_test,
        requires=card.required_packages(),
        auxiliary={name: _auxiliary(name, own or specs, split.problem) for name, own in declared.items()},
        same_people=dict.fromkeys(declared, min(people)),
    )


def without_test_labels(task: FoldTask, fold: str) -> FoldTask:
    """Return the task for one fold alone, without the labels of its test clips and without the clips' names."""
    chosen, split = task.split.fold(fold), task.split
    labels = split.labels.copy()
    labels[chosen.test] = 0
    clips = split.clips.assign(clip=[f"{row:04d}" for row in range(len(split.clips))], emotion=None, aus=None)
    inputs = Inputs({name: _unlabelled(task.inputs[name], chosen, task) for name in task.inputs.names()}, len(clips))
    return replace(task, split=Split(split.problem, clips, labels, (chosen,)), inputs=inputs)


def _unlabelled(array: ArrayInput, fold: Fold, task: FoldTask) -> ArrayInput:
    """Remove the labels of the test clips from an input, unless the method's card discloses that it uses them."""
    if not array.spec.training_only or task.au_labels_at_test:
        return array
    values = array.stored().copy()
    values[fold.test] = np.nan
    return ArrayInput(array.spec, values)


def poisoned(task: FoldTask, fold: str) -> tuple[FoldTask, int]:
    """Return the task with other auxiliary clips of the people held out in a fold, and how many these are.

    Their floats are NaN; bytes, labels and emotions have other values.
    """
    held_out = sorted(set(persons(task.split.clips.iloc[task.split.fold(fold).test], task.same_people)))
    found, count = {}, 0
    for name, data in task.auxiliary.items():
        rows = np.flatnonzero(np.isin(auxiliary_people(task, data), held_out))
        arrays = {}
        for each in data.inputs.names():
            values = data.inputs.take(np.arange(len(data)))[each].stored()
            for row in rows:
                values[row] = _poison(values[row])
            arrays[each] = ArrayInput(data.inputs[each].spec, values)
        labels, emotions = data.labels.copy(), data.emotions.copy()
        labels[rows] = _other_labels(labels[rows], task.split.problem)
        emotions[rows] = "poisoned"
        found[name] = replace(data, inputs=Inputs(arrays, len(data)), labels=labels, emotions=emotions)
        count += len(rows)
    return replace(task, auxiliary=found), count


def _poison(value: Array) -> Array:
    if value.dtype == object:
        return np.array([*map(_poison, value), None], dtype=object)[:-1]
    return np.full_like(value, np.nan) if value.dtype.kind == "f" else np.invert(value)


def _other_labels(labels: Array, problem: Problem) -> Array:
    return (labels + 1) % len(problem.outputs) if problem.task == "classification" else 1 - labels


def _split(people: People, problem: Problem) -> Split:
    """Make clips, labels, and a fold for each subject."""
    rows, labels = [], []
    for dataset, subjects in people.items():
        for place, subject in enumerate(subjects):
            own = np.roll(_labels_of_a_subject(problem), place, axis=0)
            labels.append(own)
            rows += [{"dataset": dataset, "subject": subject, "clip": f"c{n}"} for n in range(len(own))]
    clips = clip_table(pd.DataFrame(rows), "trial")
    names = (clips.dataset + "/" + clips.subject).to_numpy(dtype=object)
    folds = [Fold(name, np.flatnonzero(names != name), np.flatnonzero(names == name)) for name in sorted(set(names))]
    return Split(problem, clips, np.concatenate(labels), tuple(folds))


def _labels_of_a_subject(problem: Problem) -> Array:
    """Each class twice; or every combination of action units, the last one not annotated in two clips."""
    if problem.task == "classification":
        return np.tile(np.arange(len(problem.outputs)), 2)
    labels = np.array(list(product((0.0, 1.0), repeat=len(problem.outputs))))
    labels[:2, -1] = np.nan  # one that shows it, and one that does not
    return labels


def _auxiliary(name: str, specs: Mapping[str, InputSpec], problem: Problem) -> AuxiliaryData:
    """Make clips to pretrain on, of two people who are among the test clips and two others."""
    split = _split({name: ("s1", "s2", "x1", "x2")}, problem)
    words = np.array(CLASSES, dtype=object)
    emotions = words[split.labels] if problem.task == "classification" else np.resize(words, len(split.labels))
    return AuxiliaryData(_inputs(specs, split), split.labels, emotions, split.subjects, split.datasets)


def _inputs(specs: Mapping[str, InputSpec], split: Split) -> Inputs:
    """Make the inputs of clips; each input contains the label of its clip."""
    classes, outputs = split.problem.task == "classification", split.problem.outputs
    shown = np.eye(len(outputs))[split.labels] if classes else np.nan_to_num(split.labels)
    marks = pd.DataFrame(shown, index=split.datasets, columns=list(outputs))
    arrays = {}
    for name, spec in specs.items():
        rng = np.random.default_rng(derived_seed(0, f"trial/{name}"))
        arrays[name] = ArrayInput(spec, _values(spec, marks, rng))
    return Inputs(arrays, len(split.clips))


def _values(spec: InputSpec, marks: pd.DataFrame, rng: np.random.Generator) -> Array:
    kind = kind_of(spec)
    made = []
    for _ in range(1 if spec.drawn is None else _VERSIONS):
        made.append(kind.synthetic(spec, marks, rng))
        for row, array in enumerate(made[-1]):
            kind.checked(spec, array, f"synthetic clip {row}")
    if spec.drawn is None:
        return made[0]
    versions = np.stack(made, axis=1)
    if not kind.has_varying_versions(spec):
        return versions
    found = np.empty(len(versions), dtype=object)
    for row, clip in enumerate(versions):
        found[row] = clip[: 1 + row % _VERSIONS]
    return found
