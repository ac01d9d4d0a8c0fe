"""A fold in a process of its own, which holds neither labels of test clips nor a clip table, under a watch.

``python -m merbench.checks.process`` is that process. It gets its task by pickle, from the process that started it, and
answers in JSON.
"""

import json
import os
import pickle
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from merbench.checks.made_up import without_answers
from merbench.checks.observed import Again, answers, observe
from merbench.checks.watch import Watch
from merbench.contracts.methods import Prediction
from merbench.engine import environment
from merbench.engine.fold.opening import FoldTask

_SECONDS = 3600


@dataclass(frozen=True)
class Alone:
    """What came of a fold in a process of its own.

    Attributes
    ----------
    failure : str
        Why it failed, or empty.
    company : Again, optional
        Where the clips were asked for one by one at first: what came of asking for many at once.
    trespasses, files : tuple of str
        See :class:`merbench.checks.watch.Watch`.
    """

    failure: str = ""
    prediction: Prediction | None = None
    company: Again | None = None
    trespasses: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


def run_alone(task: FoldTask, fold: str, folder: Path, package: str, one_by_one: bool) -> Alone:
    """Run one fold in a fresh process, in an empty folder, with no data registered.

    Parameters
    ----------
    task : FoldTask
        What to run; of its test clips nothing but the inputs is sent.
    fold : str
        The fold.
    folder : Path
        The method's own folder.
    package : str
        Its name as a package; empty where it is none.
    one_by_one : bool
        Ask for the test clips one by one at first; see :func:`merbench.checks.observed.observe`.
    """
    try:
        content = pickle.dumps(without_answers(task, fold))
    except Exception as error:  # noqa: BLE001 - what a class or its settings hold may raise anything
        return Alone(failure=f"it can't be sent to another process: {error}")
    with tempfile.TemporaryDirectory(prefix="merbench-alone-") as place:
        empty, scratch, answer = Path(place, "empty"), Path(place, "scratch"), Path(place, "answer.json")
        empty.mkdir()
        scratch.mkdir()
        temporary = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(scratch))
        hidden = {name: str(Path(place, "nothing")) for name in ("MERBENCH_HOME", "MERBENCH_RESULTS")}
        path = os.pathsep.join(filter(None, sys.path))
        try:
            done = subprocess.run(
                [sys.executable, "-P", "-m", "merbench.checks.process", answer],
                input=pickle.dumps((package, str(folder), _refused(), fold, one_by_one, content)),
                cwd=empty,
                env={**os.environ, **hidden, **temporary, "PYTHONPATH": path},
                capture_output=True,
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Alone(failure=f"it took more than {_SECONDS} s")
        if done.returncode or not answer.is_file():
            told = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
            return Alone(failure=f"the process ended with exit code {done.returncode}: {told[0]}")
        return _read(json.loads(answer.read_text(encoding="utf-8")))


def _refused() -> list[str]:
    """Return the folders of merbench and of its data: lists, results, what is registered."""
    named = [os.environ.get(name) for name in ("MERBENCH_HOME", "MERBENCH_RESULTS")]
    return [*_folders("merbench", "merbench.protocols", "merbench.results"), *filter(None, named)]


def _folders(*packages: str) -> list[str]:
    """Return where packages lie, none of which is imported for it but the parents."""
    specs = filter(None, map(find_spec, packages))
    return [folder for spec in specs for folder in spec.submodule_search_locations or []]


def _read(told: dict[str, Any]) -> Alone:
    prediction, company = None, None
    if not told["failure"]:
        labels = None if told["labels"] is None else np.array(told["labels"], dtype=np.int64)
        prediction = Prediction(np.array(told["scores"], dtype=np.float64), labels)
        company = told["company"] and Again(**told["company"])
    return Alone(told["failure"], prediction, company, tuple(told["trespasses"]), tuple(told["files"]))


def main() -> None:
    """Run the fold that is sent by standard input; write the answer to the file named on the command line."""
    # From the process that started this one.
    package, folder, refused, fold, one_by_one, content = pickle.load(sys.stdin.buffer)  # noqa: S301
    environment.packages(), environment.hardware()  # are looked up once, and not on the method's account
    around = _folders(package.partition(".")[0]) if package and not package.startswith("merbench.") else []
    watch = Watch(folder, refused, _folders("merbench", "merbench.methods"), around)
    sys.addaudithook(watch)
    if "." in package:
        import_module(package.rpartition(".")[0])  # what packages around the method's import is not its own doing
    watch.close()
    task: FoldTask = pickle.loads(content)  # noqa: S301 - imports the method
    seen = observe(task, fold, one_by_one=one_by_one)
    watch.stop()
    told: dict[str, Any] = {"failure": seen.failure, "trespasses": watch.trespasses, "files": watch.files}
    if not seen.failure:
        found = answers(seen.table, task.split.problem)
        told |= {"scores": found.scores.tolist(), "labels": None if found.labels is None else found.labels.tolist()}
        told["company"] = seen.company and asdict(seen.company)
    Path(sys.argv[1]).write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main()
