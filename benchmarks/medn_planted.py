"""MEDN on planted clips, where motion and emotion are needed in turn and the movement is local.

Half of the clips show one of three action units, each with a class of its own; their course over time is random. The
other half show a fourth action unit, which occurs with every class; there the course is the class. The movement covers
a few patches; somewhere else a weaker one has a random course. Each row is a fit on the same clips, from the same
initial weights, and is tested on other clips.
Run: uv run python benchmarks/medn_planted.py [--data-seeds 1 2] [--seeds 0] [--size 80] [--rows sparsity/random ...]
"""

import argparse
import time
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from merbench.methods.medn.config import Config
from merbench.methods.medn.method import MEDN

from merbench.contracts.inputs import ArrayInput, Inputs
from merbench.contracts.methods import Problem, RunContext, TrainingData
from merbench.engine.plan.catalogue import METHODS

CLASSES = ("negative", "positive", "surprise")
PROBLEM = Problem("classification", CLASSES)
UNITS = (1, 2, 4, 12)  # the last one is ambiguous
PLACES = np.array([[0.25, 0.3], [0.75, 0.3], [0.35, 0.75], [0.65, 0.55]])
# Of onset, frame 0, to apex, frame 4, to offset: early rise; late rise; one that stays.
COURSES = np.array(
    [[0, 0.7, 0.9, 1, 1, 0.3, 0.1, 0], [0, 0.1, 0.2, 0.5, 1, 0.3, 0.1, 0], [0, 0.3, 0.6, 0.8, 1, 0.9, 0.8, 0.6]]
)

#: Rows of the card that are compared with the full method.
ROWS = (
    "sparsity/dense",
    "sparsity/random",
    "scales/pool-mean",
    "scales/no-stem",
    "fusion/add",
    "fusion/gate",
    "branches/motion-only",
)


def main() -> None:
    """Print a line a row and seed, then the means and the differences to the full method, paired by clip."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data-seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--size", type=int, default=80)
    parser.add_argument("--rows", nargs="+", default=list(ROWS), help="Ablations of the card, GROUP/ROW.")
    options = parser.parse_args()
    groups = METHODS.get("medn").card.ablations
    rows: dict[str, dict[str, Any]] = {"full": {}}
    for row in options.rows:
        group, _, name = row.partition("/")
        rows[row] = groups[group][name]
    torch.set_num_threads(1)
    seen: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in rows}
    for data_seed in options.data_seeds:
        for name, changes in rows.items():
            config = base(options.size, **changes)
            train, test = planted(config, 256, data_seed), planted(config, 300, 1000 + data_seed)
            for seed in options.seeds:
                right, said = fitted(config, train, test, seed)
                seen[name].append(np.stack([right, test.ambiguous]))
                print(f"{name}, data seed {data_seed}, seed {seed}: {said}", flush=True)
    found = {name: np.concatenate(parts, axis=1) for name, parts in seen.items()}
    first = found["full"]
    for name, (right, ambiguous) in found.items():
        lines = []
        for what, of in (("all", ambiguous | True), ("time course", ambiguous), ("action unit", ~ambiguous)):
            change = right[of] * 1.0 - first[0][of]
            error = 1.96 * change.std() / len(change) ** 0.5
            lines.append(f"{what} {right[of].mean():.3f} ({change.mean():+.3f} +- {error:.3f})")
        print(f"{name:<22}{', '.join(lines)}")


class Clips(NamedTuple):
    """Planted clips: inputs, labels, whether the action unit is ambiguous, and the centres of movement, in 0..1."""

    inputs: Inputs
    labels: npt.NDArray[Any]
    ambiguous: npt.NDArray[np.bool_]
    places: npt.NDArray[Any]


def planted(config: Config, count: int, seed: int) -> Clips:
    """Draw clips."""
    rng = np.random.default_rng(seed)
    ambiguous, labels = rng.random(count) < 0.5, rng.integers(3, size=count)
    unit = np.where(ambiguous, 3, labels)
    course = np.where(ambiguous, labels, rng.integers(3, size=count))
    places = PLACES[unit] + rng.uniform(-0.05, 0.05, (count, 2))
    moves = COURSES[course] + 0.12 * rng.standard_normal((count, 8)) * (np.arange(8) % 4 > 0)
    frames = _texture(rng, count, config.frame_size)
    frames = frames + _moved(rng, places, moves, config.frame_size, 0.05)
    others = rng.uniform(0.1, 0.9, (count, 2))
    frames += _moved(rng, others, COURSES[rng.integers(3, size=count)], config.frame_size, 0.03)
    frames += 0.012 * rng.standard_normal(frames.shape)
    faces = (255 * frames.clip(0, 1)).astype(np.uint8)[..., None]
    angle = (2 * np.pi * np.arange(4) / 4 + 0.4)[unit]
    arrows = np.stack([np.cos(angle), np.sin(angle)], axis=-1) * rng.uniform(0.6, 1.4, count)[:, None]
    bump = _bump(places, config.flow_size)[..., None]
    flow = bump * arrows[:, None, None] + 0.35 * rng.standard_normal((count, config.flow_size, config.flow_size, 2))
    flow = np.concatenate([flow, np.hypot(flow[..., :1], flow[..., 1:])], axis=-1).astype(np.float32)
    values = {"flow": flow, "faces": faces, "action_units": np.eye(4, dtype=np.float32)[unit]}
    inputs = {name: ArrayInput(spec, values[name]) for name, spec in config.inputs().items()}
    return Clips(Inputs(inputs, count), labels, ambiguous, places)


def _texture(rng: np.random.Generator, count: int, size: int) -> npt.NDArray[Any]:
    coarse = torch.from_numpy(rng.uniform(0.3, 0.7, (count, 1, 12, 12)))
    return np.asarray(torch.nn.functional.interpolate(coarse, size=size, mode="bicubic"))


def _bump(places: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
    grid = (np.arange(size) + 0.5) / size
    x, y = (np.exp(-(((grid - places[:, axis, None]) / 0.07) ** 2) / 2) for axis in (0, 1))
    return np.asarray(y[:, :, None] * x[:, None])


def _moved(
    rng: np.random.Generator, places: npt.NDArray[Any], courses: npt.NDArray[Any], size: int, strength: float
) -> npt.NDArray[Any]:
    strengths = strength * rng.uniform(0.6, 1.4, len(places)) * rng.choice((-1, 1), len(places))
    return np.asarray((strengths[:, None] * courses)[:, :, None, None] * _bump(places, size)[:, None])


def fitted(config: Config, train: Clips, test: Clips, seed: int) -> tuple[npt.NDArray[np.bool_], str]:
    """Train and test; return which test clips are classified correctly, and a line about the net.

    It has the mean gate of clips whose action unit tells the class, minus that of the others; the gate's range over
    clips; and how often the place of the movement is kept at the highest rate.
    """
    method = MEDN(config, PROBLEM)
    people = np.full(len(train.labels), "x/1", dtype=object)
    begin = time.perf_counter()
    method.fit(TrainingData(train.inputs, train.labels, PROBLEM, people, people), RunContext(seed))
    seconds = time.perf_counter() - begin
    right = method.predict(test.inputs.without_labels()).scores.argmax(axis=1) == test.labels
    shown, found = method.diagnose(test.inputs.without_labels()), {"accuracy": right.mean()}
    if "gate/motion" in shown:
        gate = shown["gate/motion"].mean(axis=1)
        found["gate difference"] = gate[~test.ambiguous].mean() - gate[test.ambiguous].mean()
        found["gate range"] = np.ptp(gate)
    kept = [name for name in shown if name.startswith("kept/")]
    if kept:
        rows = (test.places * config.grid).astype(int).clip(0, config.grid - 1)
        found["kept"] = shown[kept[-1]][np.arange(len(rows)), rows[:, 1], rows[:, 0]].mean()
    return right, ", ".join(f"{name} {value:.3f}" for name, value in found.items()) + f", {seconds:.0f} s"


def base(size: int, **changes: Any) -> Config:
    """Return the settings of ``small`` at this size of frames."""
    config = METHODS.get("medn").resolve("small")
    assert isinstance(config, Config)
    return Config(**config.model_dump() | {"frame_size": size, "au_vocabulary": UNITS} | changes)


if __name__ == "__main__":
    main()
