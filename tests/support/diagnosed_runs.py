"""Made-up runs with diagnostics of realistic shape: what a two-branch method would tell of its folds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from merbench.records.read import RecordedRun
from support.recording import CLASSES, made_up_run, run_file, run_key

#: Dataset -> clips and subjects, as MEGC 2019 has them; the first has no action units.
DATASETS = {"smic-hs": (164, 16), "casme2": (145, 24), "samm": (133, 28)}
UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 24)
#: Sets of action units, and how often a clip of each class shows them.
SETS = {
    (4,): (9, 2, 1), (4, 7): (6, 1, 1), (14,): (4, 2, 0), (12,): (1, 6, 1), (6, 12): (0, 4, 0), (1, 2): (1, 0, 6),
    (1,): (1, 1, 1), (2,): (1, 0, 2), (9,): (2, 0, 0), (17,): (2, 1, 0), (7, 20): (1, 0, 0), (5,): (0, 0, 2),
    (1, 2, 4): (1, 1, 1), (10, 15): (1, 1, 0), (24,): (1, 0, 1),
}  # fmt: skip
WIDTH, GRID, FACE, FRAMES = 64, 7, 32, 7


@dataclass(frozen=True)
class MadeUp:
    """A run as it is read from disk, and the diagnostics of each of its folds, by the keys that they are stored by."""

    run: RecordedRun
    folds: dict[str, dict[str, np.ndarray]]


def made_up(
    datasets: dict[str, tuple[int, int]] | None = None,
    rates: Sequence[float] = (0.25, 0.5, 0.75),
    seed: int = 0,
    **fields: Any,
) -> MadeUp:
    """Make a run up, leave-one-subject-out, with 442 clips if `datasets` says nothing else."""
    rng = np.random.default_rng(seed)
    clips, shown = _clips(rng, datasets or DATASETS)
    features = _features(rng, clips, shown)
    told = {
        "gate/motion": (gate := 1 / (1 + np.exp(-rng.normal(0.4 - 0.8 * (clips.truth == "negative"), 0.8)))),
        "gate/emotion": np.clip(1 - gate[:, None] + rng.normal(0, 0.05, (len(clips), 8)), 0, 1),
        "face": _faces(rng, clips),
        **{f"kept/{rate}": kept for rate, kept in zip(rates, _kept(rng, shown, rates), strict=True)},
        **{f"au/{unit}": rng.normal(2.4 * shown[:, i] - 1.4, 1.0) for i, unit in enumerate(UNITS)},
    }
    told |= _over_time(np.random.default_rng([seed, 1]), clips)
    folds = {}
    for fold in dict.fromkeys(clips.fold):
        test, arrays = (clips.fold == fold).to_numpy(), {}
        turn = np.linalg.qr(rng.normal(size=(WIDTH, WIDTH)))[0]  # each fold's net has axes of its own
        for side, rows in (("test", test), ("train", ~test)):
            for column in ("dataset", "subject", "clip", "aus", "truth"):
                arrays[f"{side}/{column}"] = clips[column].to_numpy()[rows].astype(str)
            for name, feature in features.items():
                arrays[f"{side}/feature/{name}"] = (feature[rows] @ turn).astype(np.float32)
        arrays |= {f"test/{name}": values[test] for name, values in told.items()}
        folds[fold] = arrays
    return MadeUp(_run(clips, fields), folds)


def _clips(rng: np.random.Generator, datasets: dict[str, tuple[int, int]]) -> tuple[pd.DataFrame, np.ndarray]:
    rows, shown = [], []
    weights = np.array(list(SETS.values()), dtype=float)
    for dataset, (count, subjects) in datasets.items():
        likely = 1 / np.arange(2, subjects + 2)  # some people show far more clips than others
        people = np.sort(np.r_[:subjects, rng.choice(subjects, count - subjects, p=likely / likely.sum())])
        for number, subject in enumerate(people):
            truth = int(rng.choice(3, p=(0.57, 0.25, 0.18)))
            units = list(SETS)[rng.choice(len(SETS), p=weights[:, truth] / weights[:, truth].sum())]
            predicted = truth if rng.random() < 0.68 else int(rng.integers(3))
            aus = "" if dataset == "smic-hs" else "+".join(map(str, units))
            rows.append((dataset, f"s{subject:02d}", f"c{number:03d}", aus, CLASSES[truth], CLASSES[predicted]))
            shown.append([unit in units for unit in UNITS])
    table = pd.DataFrame(rows, columns=["dataset", "subject", "clip", "aus", "truth", "predicted"])
    table["fold"] = table.dataset + "/" + table.subject
    return table, np.array(shown)


def _features(rng: np.random.Generator, clips: pd.DataFrame, shown: np.ndarray) -> dict[str, np.ndarray]:
    """Make a feature that knows the action units, and one that knows the class."""
    noise = rng.normal(size=(2, len(clips), WIDTH))
    classes = pd.get_dummies(clips.truth)[list(CLASSES)].to_numpy(dtype=float)
    motion = shown @ rng.normal(size=(len(UNITS), WIDTH)) * 0.45 + noise[0]
    return {"motion": motion, "emotion": classes @ rng.normal(size=(len(CLASSES), WIDTH)) * 0.3 + noise[1]}


def _faces(rng: np.random.Generator, clips: pd.DataFrame) -> np.ndarray:
    """Draw a face a subject: an oval with eyes and mouth, in its own place and tone."""
    y, x = np.mgrid[-1 : 1 : FACE * 1j, -1 : 1 : FACE * 1j]
    drawn = {}
    for subject in dict.fromkeys(clips.fold):
        u, v, tone = x - rng.normal(0, 0.04), y - rng.normal(0, 0.05), rng.uniform(150, 210)
        picture = np.where((u / 0.8) ** 2 + v**2 < 1, tone - 50 * u**2, 70.0)
        for side, place, width in ((-0.36, -0.35, 0.16), (0.36, -0.35, 0.16), (0.0, 0.55, 0.3)):
            picture -= 90 * np.exp(-(((u - side) / width) ** 2) - ((v - place) / 0.06) ** 2)
        drawn[subject] = picture
    noisy = [drawn[subject] + rng.normal(0, 4, (FACE, FACE)) for subject in clips.fold]
    return np.clip(noisy, 0, 255).astype(np.uint8)


def _kept(rng: np.random.Generator, shown: np.ndarray, rates: Sequence[float]) -> list[np.ndarray]:
    """Keep the locations that change most: where the clip's action units are, give or take."""
    upper, (y, x) = np.array(UNITS) < 10, np.mgrid[:GRID, :GRID]
    brows, mouth = np.exp(-((y - 1.5) ** 2) / 2), np.exp(-((y - 5.0) ** 2) / 2 - (x - 3.0) ** 2 / 4)
    change = shown[:, upper].any(1)[:, None, None] * brows + shown[:, ~upper].any(1)[:, None, None] * mouth
    order = (change + rng.normal(0, 0.35, change.shape)).reshape(len(shown), -1).argsort(axis=1)[:, ::-1]
    stay = [GRID * GRID - int(rate * GRID * GRID + 1e-9) for rate in rates]
    return [(order.argsort(axis=1) < count).reshape(change.shape) for count in stay]


def _over_time(rng: np.random.Generator, clips: pd.DataFrame) -> dict[str, np.ndarray]:
    """Make attentions that fall along a chain, weights of frames that differ by class, and adjacency of two layers."""
    count, late = len(clips), (clips.truth == "negative").to_numpy()[:, None]
    weights = np.exp(np.where(late, 1, -1) * np.linspace(-1, 1, FRAMES) + rng.normal(0, 0.2, (count, FRAMES)))
    graphs = rng.dirichlet(np.ones(FRAMES + 1), (2, count, FRAMES + 1))
    chain = {f"attention/block-{n}": rng.uniform(0, 0.5**n, (count, side, side)) for n, side in ((1, 8), (2, 4))}
    graph = {f"graph/layer-{n}": values for n, values in enumerate(graphs, start=1)}
    found = chain | {"time/attention": weights / weights.sum(axis=1, keepdims=True)} | graph
    return {name: values.astype(np.float32) for name, values in found.items()}


def _run(clips: pd.DataFrame, fields: dict[str, Any]) -> RecordedRun:
    predictions = clips[["dataset", "subject", "clip", "truth", "predicted"]].copy()
    for name in CLASSES:
        predictions[f"score_{name}"] = (predictions.predicted == name).astype(float)
    folds = clips.groupby("fold", sort=False).size().to_dict()
    parts = {"full": "Full", **{name: name.upper() for name in dict.fromkeys(clips.dataset)}}
    about = {"run_id": "two-branch-megc2019-s0", "key": run_key("two-branch"), "protocol": "megc2019", "parts": parts}
    about |= {"config_name": "small", "data": "synthetic-full", "synthetic": True, "folds": folds}
    return made_up_run(run_file(**about | fields), predictions.reset_index(drop=True))
