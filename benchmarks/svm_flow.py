"""Classical methods on all 68 folds against a bare scikit-learn loop over the same folds.

The bare loop computes the feature of all clips once, and then fits and predicts fold by fold.

Run: uv run python benchmarks/svm_flow.py [PATH of megc2019-flow28] [--rounds 5] [--rows svm-flow ...]
"""

import argparse
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from _timing import SHARED_RELEASE, interleaved, print_ratios
from merbench.methods.classical.flow_classifier.estimators import make
from merbench.methods.classical.flow_classifier.features import FEATURES
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
from merbench.engine.plan.runs import PreparedProtocol, Request, RunPlan, plan_runs

ROWS = (
    "svm-flow",
    "flow-classifier",
    "flow-classifier:logistic",
    "flow-classifier:hoof-svm",
    "flow-classifier:hog-svm",
)


def bare_loop(task: FoldTask) -> dict[int, int]:
    """Fit and predict every fold with scikit-learn alone."""
    images, config = task.inputs["flow"].batch(), task.config
    if not hasattr(config, "feature"):
        features = images.reshape(len(task.split.labels), -1).astype(np.float64) / 255.0
    else:
        features = FEATURES[config.feature](images)
    found = {}
    with threadpool_limits(1):
        for fold in task.split.folds:
            model = make_pipeline(StandardScaler(), SVC(kernel="rbf", C=1, class_weight="balanced"))
            if hasattr(config, "estimator"):
                labels = task.split.labels[fold.train]
                model = make(config.estimator, 0, config.balanced, config.strength, labels)
            model.fit(features[fold.train], task.split.labels[fold.train])
            found |= dict(zip(fold.test.tolist(), model.predict(features[fold.test]).tolist(), strict=True))
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("path", nargs="?", type=Path, default=SHARED_RELEASE)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", nargs="+", default=ROWS, metavar="METHOD[:CONFIGURATION]")
    options = parser.parse_args()
    spec = protocol("megc2019")
    prepared = PreparedProtocol.of(spec, choose_data(str(options.path), [spec]))
    for row in options.rows:
        name, _, configuration = row.partition(":")
        plan = plan_runs(Request.named((name,), configuration or None), [prepared])[0]
        seconds = interleaved(
            {"bare scikit-learn loop": partial(bare_loop, plan.task), "merbench": partial(_merbench, plan)},
            options.rounds,
        )
        print(f"{row}, all 68 folds of megc2019, seconds")
        print_ratios(seconds, "bare scikit-learn loop", 1.0, "s")
    print("aim: merbench at most 1.15 times the bare loop, that is at least 0.87x")


def _merbench(plan: RunPlan) -> None:
    with tempfile.TemporaryDirectory() as folder:
        execute([plan], Path(folder), grid_display(Console(quiet=True)))


if __name__ == "__main__":
    main()
