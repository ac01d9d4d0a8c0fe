"""What the predictions of a submitted row, and its seeds together, show."""

from functools import lru_cache
from typing import Any

import numpy as np

from merbench.analysis.cache import row_scores
from merbench.contracts.clips import clip_names
from merbench.contracts.errors import MerbenchError, listed
from merbench.records.read import RecordedRun
from merbench.records.states import FILE as KEPT
from merbench.submissions.agreement import uf1_of
from merbench.submissions.model import FILE
from merbench.submissions.submitted import Evidence, Submitted


def scores(submitted: Submitted) -> Evidence:
    """Compare the claimed figures with those of the predictions."""
    scores, _ = row_scores([submitted.run])
    shown = "; ".join(f"{score.part} {score.uf1:.4f} {score.uar:.4f}" for score in scores)
    claimed = submitted.about.figures if submitted.about else {}
    for score in scores:
        one = claimed.get(score.part)
        if one is not None and max(abs(one[0] - score.uf1), abs(one[1] - score.uar)) > 5e-5:
            yield "failed", f"{score.part}: claimed {one[0]:.4f} {one[1]:.4f}, computed {score.uf1:.4f} {score.uar:.4f}"
    yield "ok", f"UF1 and UAR computed from the predictions: {shown}"


def decisions(submitted: Submitted) -> Evidence:
    """Compare each clip's class with its scores."""
    run = submitted.run
    if run.file.task != "classification":
        yield "ok", "action units are decided by the sign of their scores"
        return
    table = run.predictions
    scores = table[[f"score_{name}" for name in run.file.outputs]].to_numpy(dtype=float)
    best = scores.max(axis=1)
    decided = scores[np.arange(len(table)), [run.file.outputs.index(name) for name in table.predicted]]
    other = decided < best - 1e-6 * np.maximum(1, np.abs(best))
    sums = np.abs(scores.sum(axis=1) - 1) < 1e-3
    if other.any() and (sums & (scores >= 0).all(axis=1)).all():
        named = listed(clip_names(table[other]), most=3)
        yield "failed", f"scores are probabilities, and {other.sum()} clips are decided otherwise: {named}"
    elif other.any():
        yield "noted", f"{other.sum()} of {len(table)} clips are decided otherwise than by the highest score"
    else:
        yield "ok", "every clip has the class of its highest score"


def epochs(submitted: Submitted) -> Evidence:
    """Compare the epoch that counts with the predictions."""
    run = submitted.run
    epochs, inner = run.epochs(), run.inner()
    if epochs is None:
        yield "ok", "none are given"
        return
    labels, table = epochs[0], run.predictions
    decided = np.array([run.file.outputs.index(name) for name in table.predicted])
    if inner is None:
        shown = labels[:, -1]
    else:
        picked = dict(zip(run.file.folds, np.nanargmax(inner, axis=1), strict=True))
        shown = labels[np.arange(len(table)), [picked[fold] for fold in run.clips().fold]]
    if inner is None or run.file.key.selection == "inner":  # inner-keep tests another model
        differ = int((shown != decided).sum())
        if differ:
            raise MerbenchError(f"{differ} clips have another class after the epoch that counts")
    yield "ok", f"{labels.shape[1]} epochs, the one that counts has the predicted classes"


def seeds(submitted: Submitted) -> Evidence:
    """Compare the seeds with those that the row must have."""
    file, group = submitted.run.file, submitted.run.group
    seeds = sorted(each.run.file.key.seed for each in submitted.seeds)
    if file.deterministic and seeds != [0]:
        yield "failed", f"a deterministic method has seed 0 only, not {listed(seeds)}"
    if seeds != list(range(len(seeds))):
        yield "failed", f"seeds count from 0, all of them, not {listed(seeds)}: the best of several is not a row"
    if any(each.run.group != group for each in submitted.others):
        yield "failed", "its seeds have other settings, code or data"
    said = {tuple(each.about.seeds) for each in submitted.seeds if each.about}
    if said - {tuple(seeds)}:
        named = listed(min(said - {tuple(seeds)}))
        yield "failed", f"{FILE} names the seeds {named}, here are {listed(seeds)}: name all of them in one command"
    if not file.deterministic and len(seeds) == 1:
        yield "noted", "one seed of a random method: it is not ranked"
    tries = max((each.about.tries for each in submitted.seeds if each.about), default=0)
    yield "ok", f"{listed(seeds)}; rows of the method that the author recorded: {tries}"


def kept_state(submitted: Submitted) -> Evidence:
    """Point out a state that came with the row: only a maintainer keeps one."""
    if (kept := submitted.kept) is None:
        yield "ok", "none: the row is claimed"
    else:
        yield "noted", f"{KEPT} says {kept.text}, by {kept.by}: believe it only if you know who committed it"


def duplicates(submitted: Submitted) -> Evidence:
    """Look for the row, and for its predictions, on the board."""
    run = submitted.run
    known = [each for each in submitted.board if each.place.path.resolve() != submitted.folder.resolve()]
    for each in known:
        if each.key_digest == run.key_digest and each.file.data == run.file.data:
            same = _answers(each) == _answers(run)
            words = ", equal to it" if same else " with other predictions"
            yield ("noted" if same else "failed"), f"{each.file.run_id} is on the board{words}"
    mine = _answers(run)
    alike = [each.file.run_id for each in known if each.key_digest != run.key_digest and _answers(each) == mine]
    for name in alike[:3]:
        yield "noted", f"every clip is predicted as in {name}"
    yield "ok", f"compared with {len(known)} committed runs"


@lru_cache(maxsize=1_000)
def _answers(run: RecordedRun) -> list[tuple[Any, ...]]:
    names = [
        name
        for name in map(str, run.predictions)
        if name in ("dataset", "subject", "clip", "predicted") or name.startswith("score_")
    ]
    return sorted(map(tuple, run.predictions[names].round(6).astype(str).to_numpy().tolist()))


def distribution(submitted: Submitted) -> Evidence:
    """Point out what no training gives; not judged."""
    run = submitted.run
    if run.file.task != "classification":
        return
    answers = [_answers(each.run) for each in submitted.seeds]
    if len(answers) > 1 and any(one == answers[0] for one in answers[1:]):
        yield "noted", "seeds have identical predictions"
    table = run.predictions
    right = float((table.truth == table.predicted).mean())
    scores = table[[f"score_{name}" for name in run.file.outputs]].to_numpy(dtype=float)
    if right == 1 or (right > 0.9 and len(np.unique(scores.round(3))) <= 2):
        yield (
            "noted",
            f"{right:.0%} of the clips are right, or scores copy the truth: no training is known to give this",
        )
    split, full = run.file.key.split_digest, _uf1(run)
    others = [_uf1(each) for each in submitted.board if each.file.key.split_digest == split and each.group != run.group]
    best = f"; the best other committed row has {max(others):.4f}" if others else ""
    yield ("noted" if others and full > max(others) + 0.1 else "ok"), f"UF1 {full:.4f}{best}"


@lru_cache(maxsize=1_000)
def _uf1(run: RecordedRun) -> float:
    return uf1_of(run.predictions, run)
