"""Runs with the predictions and diagnostics that a test wants, recorded the way the engine records them."""

import re
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from merbench.analysis.held import hold_all
from merbench.analysis.rows import Row, measured_rows
from merbench.contracts.clips import clip_table
from merbench.contracts.digests import digest
from merbench.contracts.inputs import Inputs
from merbench.contracts.methods import MethodConfig, Prediction
from merbench.contracts.protocols import ProtocolSpec
from merbench.contracts.yamlfiles import read_value
from merbench.engine import environment
from merbench.engine.execute.grid import execute
from merbench.engine.execute.jobs import Job, Observer
from merbench.engine.fold.opening import FoldTask
from merbench.engine.plan.runs import RunPlan
from merbench.engine.plan.truths import keep, truths
from merbench.records.model import LONGEST_VARIANT, CompleteFile, Failure, RunFile, RunKey
from merbench.records.outcome import FoldOutcome
from merbench.records.predictions import prediction_table
from merbench.records.read import RecordedRun
from merbench.records.select import Runs, read_runs
from merbench.records.truth import Truth
from merbench.report.table import Report
from merbench.report.views.compare import comparison
from merbench.splits.split import make_split

CLASSES = ("negative", "positive", "surprise")


def run_key(method: str, **fields: Any) -> RunKey:
    """Make the key of a run, with digests of names unless `fields` give others."""
    digests = {f"{name}_digest": digest(name) for name in ("code", "spec", "split", "data")}
    plain = {"config": {}, "code_versions": {}, "input_digests": {}, "selection": "last", "seed": 0}
    flags = {"transductive": False, "au_labels_at_test": False}
    return RunKey(method=method, **digests | plain | flags | fields)


def run_file(run_id: str, key: RunKey, **fields: Any) -> RunFile:
    """Describe a run of a classification."""
    about = {
        "method": key.method, "config_name": "default", "variant": "", "task": "classification", "synthetic": False,
        "outputs": list(CLASSES), "deterministic": False, "admissions": [], "remark": "", "merbench": "0",
        "created": "2026-01-01T00:00:00+00:00", "git_commit": None,
    }  # fmt: skip
    return RunFile(run_id=run_id, key=key, **about | fields)


class Silent:
    """Hears what the driver tells and says nothing."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *given: None


@dataclass
class Answering:
    """An executor that knows what comes of each fold."""

    outcome: Callable[[str], FoldOutcome]
    runs_at_once: int = 1

    def __call__(self, jobs: Sequence[Job], observer: Observer) -> Generator[tuple[Job, FoldOutcome], None, None]:
        """Answer in the order given."""
        for job in jobs:
            yield job, self.outcome(job.fold)


@dataclass
class Recorder:
    """Records runs below ``results/runs``; ``answers`` are ``dataset/subject/clip`` -> truth and prediction."""

    results: Path
    titles: dict[str, str] = field(default_factory=dict)
    truths: dict[str, Truth] = field(default_factory=dict)  #: by the digest of the split

    def __call__(
        self,
        answers: Mapping[str, tuple[str, str]],
        *,
        method: str = "toy",
        seed: int = 0,
        code: str = "first",
        folds: Sequence[str] = (),
        failing: Mapping[str, str] | None = None,
        diagnostics: Mapping[str, dict[str, Any]] | None = None,
        epochs: Mapping[str, Sequence[str]] | None = None,
        selection: str = "last",
        inner: Mapping[str, Sequence[float]] | None = None,
        **fields: Any,
    ) -> Path:
        """Record a run and return its folder; `folds` are all by default, `failing` are folds and their messages.

        `diagnostics` are arrays by fold; `epochs` a clip's classes after each epoch, none for any clip those of a
        method without epochs that was asked to keep them; `inner` the scores by which a fold's epoch was selected.
        """
        failing, diagnostics = failing or {}, diagnostics or {}
        identities = [name.split("/") for name in answers]
        truth = [truth for truth, _ in answers.values()]
        rows = pd.DataFrame(identities, columns=["dataset", "subject", "clip"]).assign(emotion=truth)
        spec = self._protocol(fields.get("protocol", "toys"), sorted({dataset for dataset, _, _ in identities}))
        split = make_split(spec, clip_table(rows, "the test"))
        digest_of, parts = split.digest(), dict(fields.get("parts", spec.parts))
        truth = Truth("the clips of the test", split.truth(), spec.outputs, parts, digest_of)
        self.truths[digest_of] = truth
        names = split.clips[["dataset", "subject", "clip"]].agg("/".join, axis=1)
        chosen = np.array([CLASSES.index(answers[name][1]) for name in names])
        scores = np.eye(len(CLASSES))[chosen]

        def outcome(name: str) -> FoldOutcome:
            fold = split.fold(name)
            prediction = Prediction(scores[fold.test])
            clips, labels = split.clips.iloc[fold.test], split.labels[fold.test]
            told: dict[str, Any] = {"predictions": prediction_table(clips, labels, prediction, split.problem)}
            if name in failing:
                told = {"failure": Failure(type="ValueError", message=failing[name], traceback="Traceback")}
            told |= {"diagnostics": diagnostics.get(name), "epochs_asked": epochs is not None}
            if epochs:
                after = [[CLASSES.index(each) for each in epochs[names[row]]] for row in fold.test]
                told["epochs"] = np.eye(len(CLASSES), dtype=np.float32)[np.transpose(after)]
            if inner:
                told["inner"] = np.array(inner[name])
            sizes = len(fold.test), len(fold.train)
            return FoldOutcome(name, *sizes, {"total": 0.1}, packages=environment.packages(), **told)

        variant = fields.get("variant", "")
        settings = {name: read_value(value) for name, value in re.findall(r"(\w+)=(.+?)(?= \w+=|$)", variant)}
        config = {"variant": variant, **settings}
        key = run_key(
            method, config=config, code_digest=digest(code), selection=selection,
            spec_digest=spec.spec_digest(), split_digest=digest_of, seed=seed,
            data_digest=digest(fields.get("data", "toy-data")), shuffled=fields.pop("shuffled", False),
        )  # fmt: skip
        folds_of = {fold.name: len(fold.test) for fold in split.folds}
        about = {"protocol": spec.name, "parts": spec.parts, "data": "toy-data", "folds": folds_of, **fields}
        about |= {"variant": variant[:LONGEST_VARIANT]} | ({"sanity": True} if key.shuffled else {})
        shuffled = "-shuffled" * key.shuffled
        file = run_file(f"{method}-{spec.name}{shuffled}-s{seed}-{key.digest()[:10]}", key, **about)
        inputs = Inputs({}, len(rows))
        keep(truth, file.data, file.synthetic, key.spec_digest, key.split_digest, key.data_digest)
        task = FoldTask(object, MethodConfig(), split, inputs, seed, keep_epochs=epochs is not None)  # type: ignore[arg-type]
        execute([RunPlan(file, task)], self.results / "runs", Silent(), folds, executor=Answering(outcome))
        return self.results / "runs" / file.run_id

    def _protocol(self, name: str, datasets: Sequence[str]) -> ProtocolSpec:
        rules = {name: {"title": self.titles.get(name, name), "classes": {}} for name in datasets}
        return ProtocolSpec(
            name=name, title=name, summary=name, source={"text": name}, classes=CLASSES, datasets=rules,
            folds="leave-one-subject-out",
        )  # fmt: skip

    def held(self, *also: RecordedRun) -> Runs:
        """Return all recorded runs, and others, compared with the recorded clips or the official list."""
        found = read_runs(self.results)
        return hold_all(Runs([*found, *also], found.problems), truths())

    def rows(self, older: bool = False) -> tuple[list[Row], list[str]]:
        """Return the rows of everything that is recorded, and the notes on them."""
        runs = self.held()
        rows, notes = measured_rows(runs, older)
        return rows, runs.problems + notes

    def compared(self, older: bool = False) -> Report:
        rows, notes = self.rows(older)
        return comparison(rows, notes=notes)


#: Seven clips of three people in two datasets; the figures that follow from them are derived where they are used.
NEG, POS, SUR = CLASSES
ANSWERS = {
    "alpha/s1/c1": (NEG, NEG), "alpha/s1/c2": (POS, NEG), "alpha/s2/c1": (NEG, NEG), "alpha/s2/c2": (POS, POS),
    "beta/t1/c1": (NEG, SUR), "beta/t1/c2": (SUR, SUR), "beta/t1/c3": (NEG, NEG),
}  # fmt: skip


class _InMemory:
    """A whole run whose files were never written."""

    origin, path = "measured", Path("nowhere")

    def __init__(self, table: pd.DataFrame) -> None:
        self._table = table

    def complete(self, file: RunFile) -> CompleteFile:
        """Vouch for the table."""
        return CompleteFile(
            run_id=file.run_id, key_digest=file.key.digest(), run_digest=file.digest(), predictions="none",
            sha256="none", clips=len(self._table),
            seconds=0.0, mixed=[], finished=file.created,
        )  # fmt: skip

    def predictions(self, file: RunFile) -> pd.DataFrame:
        """Return the table."""
        return self._table


def made_up_run(file: RunFile, predictions: pd.DataFrame) -> RecordedRun:
    """Make a whole run of a table of predictions."""
    return RecordedRun(file, _InMemory(predictions))  # type: ignore[arg-type]
