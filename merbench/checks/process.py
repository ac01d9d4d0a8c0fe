"""A fold in a fresh process without test labels or clip table, under a watch.

``python -m merbench.checks.process`` is that process. It receives its task by pickle from the process that started it,
and returns JSON.
"""

import json
import os
import pickle
import subprocess
import sys
import tempfile
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from merbench.checks.observation import Observation, observe
from merbench.checks.synthetic_clips import without_test_labels
from merbench.checks.watch import watched
from merbench.contracts.methods import Prediction
from merbench.contracts.specifications import KINDS
from merbench.engine import environment
from merbench.engine.fold.opening import FoldTask
from merbench.prepare.kinds.kind import code_of_kind

_SECONDS = 3600


def run_alone(task: FoldTask, fold: str, folder: Path, package: str, one_by_one: bool) -> Observation:
    """Run one fold in a fresh process, in an empty folder, with no data registered; see `observe`.

    Of the test clips only the inputs are sent. `folder` is the method's own, `package` its name as a package, or empty.
    """
    try:
        content = pickle.dumps(without_test_labels(task, fold))
    except Exception as error:  # noqa: BLE001 - what a class or its settings hold may raise anything
        return Observation(failure=f"the method can't be sent to another process: {error}")
    with tempfile.TemporaryDirectory(prefix="merbench-alone-") as place:
        empty, scratch, answer = Path(place, "empty"), Path(place, "scratch"), Path(place, "answer.json")
        empty.mkdir()
        scratch.mkdir()
        temporary = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(scratch))
        hidden = {name: str(Path(place, "nothing")) for name in ("MERBENCH_HOME", "MERBENCH_RESULTS")}
        path = os.pathsep.join(filter(None, sys.path))
        # The folders of merbench and of its data: lists, results, registered databases.
        own = [os.environ.get(name) for name in hidden]
        refused = [*_folders("merbench", "merbench.protocols", "merbench.results"), *filter(None, own)]
        try:
            done = subprocess.run(
                [sys.executable, "-P", "-m", "merbench.checks.process", answer],
                input=pickle.dumps((package, str(folder), refused, fold, one_by_one, content)),
                cwd=empty,
                env={**os.environ, **hidden, **temporary, "PYTHONPATH": path},
                capture_output=True,
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Observation(failure=f"the fold took more than {_SECONDS} s")
        if done.returncode or not answer.is_file():
            *_, line = ["no message", *done.stderr.decode(errors="replace").strip().splitlines()]
            return Observation(failure=f"the process ended with exit code {done.returncode}: {line}")
        return _read(json.loads(answer.read_text(encoding="utf-8")))


def _folders(*packages: str) -> list[str]:
    """Return the folders of packages; only their parents are imported."""
    specs = filter(None, map(find_spec, packages))
    return [folder for spec in specs for folder in spec.submodule_search_locations or []]


def _read(answer: dict[str, Any]) -> Observation:
    found = Observation(answer["failure"], trespasses=answer["trespasses"], files=answer["files"])
    if not found.failure:
        labels = None if answer["labels"] is None else np.array(answer["labels"], dtype=np.int64)
        found.prediction = Prediction(np.array(answer["scores"], dtype=np.float64), labels)
        found.batch = answer["batch"] and tuple(answer["batch"])
    return found


def main() -> None:
    """Run the fold received on standard input; write the answer to the file named on the command line."""
    # From the process that started this one.
    package, folder, refused, fold, one_by_one, content = pickle.load(sys.stdin.buffer)  # noqa: S301
    environment.packages(), environment.hardware()  # looked up before the watch starts
    for name, kind in KINDS.load_all()[0].items():  # not the method's, although its package may offer them
        code_of_kind(name, kind)
    around = _folders(package.partition(".")[0]) if package and not package.startswith("merbench.") else []
    watch = watched(folder, refused, _folders("merbench", "merbench.methods"), around)
    if "." in package:
        import_module(package.rpartition(".")[0])  # imports of the packages around the method are not its own
    watch.close()
    task: FoldTask = pickle.loads(content)  # noqa: S301 - imports the method
    seen = observe(task, fold, one_by_one=one_by_one)
    watch.stop()
    answer: dict[str, Any] = {"failure": seen.failure, "trespasses": watch.trespasses, "files": watch.files}
    if seen.prediction is not None:
        labels = seen.prediction.labels
        answer |= {"scores": seen.prediction.scores.tolist(), "labels": None if labels is None else labels.tolist()}
        answer["batch"] = seen.batch
    Path(sys.argv[1]).write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main()
