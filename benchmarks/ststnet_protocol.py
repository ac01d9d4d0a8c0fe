"""The protocol of MEGC 2019 with STSTNet: its authors' loop, as a user would start it, against merbench with workers.

Each is a command of its own, timed from its start to its last prediction, imports and data included: the authors' loop
in one process with as many threads as torch takes, `merbench run` with one thread a worker. Both scores are printed.

Run: uv run python benchmarks/ststnet_protocol.py [PATH of megc2019-flow28] [--epochs 100] [--folds 68] [--workers 2]
     [--rounds 1] [--seed 0]
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from _timing import SHARED_RELEASE, print_ratios

from merbench.engine.catalogue import protocol
from merbench.engine.data import choose_data
from merbench.engine.plan import PreparedProtocol
from merbench.report.runs import read_runs
from merbench.scoring.table import part_scores


def prepared(path: Path) -> PreparedProtocol:
    """Split the release by MEGC 2019."""
    spec = protocol("megc2019")
    return PreparedProtocol.of(spec, choose_data(str(path), [spec]))


def authors_loop(path: Path, epochs: int, folds: int, seed: int, out: Path) -> None:
    """Train and test fold after fold as the authors' script does, and write the predictions.

    Pictures are read anew for each fold; nothing is shuffled; the test clips are predicted after every epoch; the last
    epoch counts.
    """
    import cv2
    import numpy as np
    import torch
    from ststnet_fold import ThreeStreams
    from torch.utils.data import DataLoader, TensorDataset

    torch.manual_seed(seed)
    data = prepared(path)
    (source,) = data.data.sources
    split, tables = data.split, []
    for fold in split.folds[:folds]:
        sides = []
        for rows in (fold.train, fold.test):
            files = [str(source.folder / name) for name in split.clips.path.iloc[rows]]
            images = np.stack([cv2.imread(file) for file in files])
            x = torch.from_numpy(images).permute(0, 3, 1, 2).float().contiguous()
            sides.append(DataLoader(TensorDataset(x, torch.from_numpy(split.labels[rows])), batch_size=256))
        train, test = sides
        net, loss_of = ThreeStreams(), torch.nn.CrossEntropyLoss()
        optimiser = torch.optim.Adam(net.parameters(), lr=5e-5)
        for _ in range(epochs):
            net.train()
            for x, y in train:
                optimiser.zero_grad()
                loss = loss_of(net(x), y)
                loss.backward()
                optimiser.step()
                loss.item()
            net.eval()
            for x, y in test:
                scores = net(x)
                loss_of(scores, y).item()
        truth = split.truth().iloc[fold.test]
        names = np.array(split.problem.outputs)
        tables.append(truth.assign(predicted=names[scores.argmax(1).numpy()]))
    pd.concat(tables).to_csv(out, index=False)


def uf1(predictions: pd.DataFrame) -> tuple[float, float]:
    """Return UF1 and UAR."""
    (full,) = part_scores([predictions], protocol("megc2019").classes, {"full": "Full"})
    return full.uf1, full.uar


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("path", nargs="?", type=Path, default=SHARED_RELEASE)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--folds", type=int, default=68)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--authors", type=Path, help=argparse.SUPPRESS)  # be the authors' loop; where its log goes
    options = parser.parse_args()
    if options.authors:
        authors_loop(options.path, options.epochs, options.folds, options.seed, options.authors)
        return
    folds = [fold.name for fold in prepared(options.path).split.folds][: options.folds]
    names = "authors' loop, all cores", f"merbench run --workers {options.workers}"
    seconds: dict[str, list[float]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as scratch:
        log, results = Path(scratch) / "log.csv", Path(scratch) / "results"
        asked = [f"--{key}={getattr(options, key)}" for key in ("epochs", "folds", "seed")]
        run = ["run", "ststnet", "--protocol=megc2019", f"--data={options.path}", f"--results={results}"]
        run += [f"--set=epochs={options.epochs}", f"--seeds={options.seed}", f"--workers={options.workers}"]
        run += ["--existing=redo", "--tracking-uri=none", *(f"--folds={fold}" for fold in folds)]
        commands = {
            names[0]: [sys.executable, __file__, str(options.path), *asked, f"--authors={log}"],
            names[1]: [sys.executable, "-m", "merbench", *run],
        }
        for _ in range(options.rounds):
            for name, command in commands.items():
                begin = time.perf_counter()
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
                seconds[name].append(time.perf_counter() - begin)
        ((found,), _) = read_runs(results)
        text = dict.fromkeys(("dataset", "subject", "clip"), str)
        scores = uf1(pd.read_csv(log, dtype=text)), uf1(found.predictions)
    print(f"{len(folds)} folds of {options.epochs} epochs, whole commands, on {os.cpu_count()} cores")
    print_ratios(seconds, names[0], 1.0, "s")
    for name, score in zip(names, scores, strict=True):
        print(f"{name:<44} UF1 {score[0]:.4f}, UAR {score[1]:.4f}")
    print("aim: at least 2x with 2 workers")


if __name__ == "__main__":
    main()
