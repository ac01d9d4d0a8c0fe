"""One MEDN fold: seconds per epoch with mixed precision, channels-last maps and compilation, and whole protocols.

The clips are random numbers of the right shape, 435 of them, which is a fold of MEGC 2019: what is timed is training.
Run: uv run python benchmarks/medn_fold.py [--config small] [--epochs 3] [--rounds 3] [--device cpu] [--compiled]
"""

import argparse
import statistics
from collections.abc import Callable

import numpy as np
import torch
from _timing import interleaved, print_ratios
from merbench.methods.medn.config import Config
from merbench.methods.medn.method import MEDN

from merbench.contracts.inputs import ArrayInput, Inputs
from merbench.contracts.methods import Problem, RunContext, TrainingData
from merbench.engine.plan.catalogue import METHODS

FOLDS = 68
CLASSES = ("negative", "positive", "surprise")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", default="small")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clips", type=int, default=435)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--compiled", action="store_true", help="Time compiled nets too; compiling takes minutes.")
    options = parser.parse_args()
    base = METHODS.get("medn").resolve(options.config)
    assert isinstance(base, Config)
    plain: dict[str, object] = {"precision": "float32", "channels_last": False, "compiled": False}
    kinds = {
        "float32": plain,
        "bfloat16": plain | {"precision": "bfloat16"},
        "bfloat16, channels last": plain | {"precision": "bfloat16", "channels_last": True},
    }
    if options.compiled:
        kinds["bfloat16, channels last, compiled"] = kinds["bfloat16, channels last"] | {"compiled": True}
    train = _clips(base, options.clips)
    candidates: dict[str, Callable[[], object]] = {}
    for name, change in kinds.items():
        config = base.model_copy(update={**change, "epochs": options.epochs, "least_steps": 0})
        candidates[name] = _fit(config, train, options.device)
    seconds = interleaved(candidates, options.rounds)
    print(f"medn:{options.config} on {options.device}, {options.clips} clips, seconds per epoch")
    print_ratios(seconds, "float32", 1 / options.epochs, "s")
    for name, times in seconds.items():
        whole = statistics.median(times) / options.epochs * base.epochs * FOLDS
        print(f"all {FOLDS} folds of {base.epochs} epochs, {name}: {whole / 60:.1f} minutes")
    if options.device != "cpu":
        print(f"peak memory of the device: {torch.cuda.max_memory_allocated(options.device) / 2**20:.0f} MB")


def _clips(config: Config, count: int) -> TrainingData:
    """Make random clips of the right shape."""
    rng = np.random.default_rng(0)
    channels = 2 if config.motion_input == "hsv" else 3
    flow = rng.standard_normal((count, config.flow_size, config.flow_size, channels), dtype=np.float32)
    colours = 3 if config.colour == "rgb" else 1
    faces = rng.integers(
        256, size=(count, config.frames, config.frame_size, config.frame_size, colours), dtype=np.uint8
    )
    units = rng.integers(2, size=(count, len(config.au_vocabulary))).astype(np.float32)
    specs = config.inputs()
    values = {"flow": flow, "faces": faces, "action_units": units}
    inputs = Inputs({name: ArrayInput(spec, values[name]) for name, spec in specs.items()}, count)
    subjects = np.array([f"casme2/{row % 67}" for row in range(count)], dtype=object)
    datasets = np.full(count, "casme2", dtype=object)
    labels = rng.integers(len(CLASSES), size=count)
    return TrainingData(inputs, labels, Problem("classification", CLASSES), subjects, datasets)


def _fit(config: Config, train: TrainingData, device: str) -> Callable[[], object]:
    def fit() -> None:
        MEDN(config, train.problem).fit(train, RunContext(0, device))
        if device != "cpu":
            torch.cuda.synchronize()

    return fit


if __name__ == "__main__":
    main()
