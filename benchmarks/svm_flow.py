"""Classical methods on all 68 folds against bare scikit-learn loops over the same folds, in processor seconds.

The bare loop computes the feature of all clips once, and then fits and predicts fold by fold. The bare loop "fold by
fold" does what merbench does in each fold: the feature of its clips, labels and scores of the test clips, and the same
for the first of them alone, by which merbench sees that a prediction does not depend on the batch.

Run: uv run python benchmarks/svm_flow.py [PATH of megc2019-flow28] [--rounds 5] [--rows svm-flow ...]
"""

import argparse
import tempfile
import time
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

CONFIGURATIONS = (
    "svm-rbf-unbalanced", "svm-linear", "logistic", "ridge", "naive-bayes", "knn", "random-forest", "biwoof-svm",
    "hoof-svm",
)  # fmt: skip
ROWS = ("svm-flow", *(f"flow-classifier:{name}" for name in CONFIGURATIONS))


def bare_loop(task: FoldTask, once: bool) -> dict[int, int]:
    """Fit and predict every fold with scikit-learn alone; the feature of all clips `once`, or fold by fold."""
    images, config = task.inputs["flow"].batch(), task.config
    feature = FEATURES[config.feature] if hasattr(config, "feature") else _pixels
    labels, found = task.split.labels, {}
    features = feature(images) if once else None
    with threadpool_limits(1):
        for fold in task.split.folds:
            train, test = (
                feature(images[rows]) if features is None else features[rows] for rows in (fold.train, fold.test)
            )
            model = make_pipeline(StandardScaler(), SVC(kernel="rbf", C=1, class_weight="balanced"))
            if hasattr(config, "estimator"):
                model = make(config.estimator, 0, config.balanced, config.strength, labels[fold.train])
            model.fit(train, labels[fold.train])
            found |= dict(zip(fold.test.tolist(), model.predict(test).tolist(), strict=True))
            if not once:
                scores = model.predict_proba if hasattr(model, "predict_proba") else model.decision_function
                scores(test)
                alone = feature(images[fold.test[:1]])
                model.predict(alone)
                scores(alone)
    return found


def _pixels(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1).astype(np.float64) / 255.0


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
        candidates = {
            "bare scikit-learn loop": partial(bare_loop, plan.task, True),
            "the same, fold by fold": partial(bare_loop, plan.task, False),
            "merbench": partial(_merbench, plan),
        }
        seconds = interleaved(candidates, options.rounds, clock=time.process_time)
        print(f"{row}, all 68 folds of megc2019, seconds")
        print_ratios(seconds, "bare scikit-learn loop", 1.0, "s")
    print("aim: merbench at most 1.15 times the bare loop, that is at least 0.87x")


def _merbench(plan: RunPlan) -> None:
    with tempfile.TemporaryDirectory() as folder:
        execute([plan], Path(folder), grid_display(Console(quiet=True)))


if __name__ == "__main__":
    main()
