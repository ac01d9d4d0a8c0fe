"""``svm-flow`` on all 68 folds against a bare scikit-learn loop over the same folds.

Run: uv run python benchmarks/svm_flow.py [PATH of megc2019-flow28] [--rounds 5]
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from _timing import SHARED_RELEASE, interleaved, print_ratios
from rich.console import Console
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from merbench.cli.display import grid_display
from merbench.engine.execute.grid import execute
from merbench.engine.fold.opening import FoldTask
from merbench.engine.plan.catalogue import protocol
from merbench.engine.plan.data import choose_data
from merbench.engine.plan.runs import PreparedProtocol, Request, plan_runs


def bare_loop(task: FoldTask) -> dict[int, int]:
    """Fit and predict every fold with scikit-learn alone."""
    features = task.inputs["flow"].batch().reshape(len(task.split.labels), -1).astype(np.float64) / 255.0
    found = {}
    with threadpool_limits(1):
        for fold in task.split.folds:
            model = make_pipeline(StandardScaler(), SVC(kernel="rbf", C=1, class_weight="balanced"))
            model.fit(features[fold.train], task.split.labels[fold.train])
            found |= dict(zip(fold.test.tolist(), model.predict(features[fold.test]).tolist(), strict=True))
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("path", nargs="?", type=Path, default=SHARED_RELEASE)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    spec = protocol("megc2019")
    prepared = PreparedProtocol.of(spec, choose_data(str(options.path), [spec]))
    plan = plan_runs(Request.named(("svm-flow",)), [prepared])[0]

    def merbench() -> None:
        with tempfile.TemporaryDirectory() as folder:
            execute([plan], Path(folder), grid_display(Console(quiet=True)))

    seconds = interleaved(
        {"bare scikit-learn loop": lambda: bare_loop(plan.task), "merbench": merbench}, options.rounds
    )
    print("svm-flow, all 68 folds of megc2019, seconds")
    print_ratios(seconds, "bare scikit-learn loop", 1.0, "s")
    print("aim: merbench at most 1.15 times the bare loop, that is at least 0.87x")


if __name__ == "__main__":
    main()
