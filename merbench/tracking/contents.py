"""A recorded run as MLflow shows it: names, tags, parameters, metrics, files, and its folds as child runs."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from merbench.analysis.held import HeldRun, TruthOf, hold, why_not_held
from merbench.analysis.rows import unranked
from merbench.contracts.digests import bytes_digest, digest
from merbench.contracts.errors import RecordError
from merbench.contracts.names import fold_folder, shown
from merbench.databases.registrations import home
from merbench.records.folder import RunFolder
from merbench.records.logs import to_csv
from merbench.records.model import FoldRecord, RunFile
from merbench.records.read import RecordedRun, read_run
from merbench.report.figures.run import confusion_figure
from merbench.report.figures.style import as_png, style
from merbench.report.numbers import number
from merbench.scoring.table import PartScore, part_scores

#: Increment when a change here alters how runs look in MLflow, so that older ones are brought up to date.
VERSION = 4

#: Tags that identify merbench's runs: run and key, fold, and the digest of the mirrored files; and the digest of what
#: MLflow held after the last pass.
RUN, FOLD, MIRRORED, HELD = "merbench.run", "merbench.fold", "merbench.mirrored", "merbench.held"

_VIEW = "Runs by UF1"

#: MLflow takes up to 250, 6000 and 8000 characters.
_NAME, _PARAM, _TAG = 250, 6000, 5000


@dataclass(frozen=True)
class Content:
    """A run as MLflow shows it."""

    name: str
    mirrored: str  #: digest of the files that it is made from: where MLflow holds the same one, nothing is to be done
    status: str  #: ``FINISHED``, ``FAILED``, or ``RUNNING`` while folds are missing
    start: int  #: milliseconds since 1970, and so is `end`
    end: int | None
    tags: dict[str, str]
    params: dict[str, str]
    metrics: dict[str, float]  #: NaN for a figure that is not known, or not yet


def write_files(run: RecordedRun, folder: Path) -> None:
    """Write a run's files for MLflow: settings, and once the run is complete predictions and confusion matrix."""
    file = run.file
    (folder / "run.json").write_text(file.model_dump_json(indent=1), encoding="utf-8")
    if not run.complete:
        return
    (folder / "predictions.csv").write_text(to_csv(run.predictions), encoding="utf-8")
    if file.task == "classification":
        with style():
            (folder / "confusion.png").write_bytes(as_png(confusion_figure(run)))


def identity(file: RunFile) -> str:
    """Return the tag that identifies a run: its id and the digest of its key."""
    return f"{file.run_id} {file.key.digest()}"


def experiment(file: RunFile) -> str:
    """Name the experiment of comparable runs, as the heading of merbench's tables does."""
    digests = f"protocol {file.key.spec_digest[:8]}, split {file.key.split_digest[:8]}"
    return _cut(shown(f"{file.protocol} on {file.data}{', synthetic data' * file.synthetic} ({digests})"), _NAME)


def experiment_tags(file: RunFile) -> dict[str, str]:
    """Return the experiment's tags: its kind for MLflow's pages, a view that compares its runs, and a description."""
    note = f"Runs under **{file.protocol}** on {file.data}, mirrored from merbench's records. *Views*, *{_VIEW}* "
    note += "compares them; the folds of a run are its child runs, with accuracy, time and memory. "
    note += "Scores on synthetic data do not carry over to real data." * file.synthetic
    return {
        "mlflow.experimentKind": "custom_model_development",
        "mlflow.experiment.primaryMetric.name": "uf1",
        "mlflow.experiment.primaryMetric.greaterIsBetter": "True",
        "mlflow.note.content": _cut(shown(note), _TAG),
        "mlflow.sharedViewState.merbench": _view(file),
    }


def _view(file: RunFile) -> str:
    """Write a saved view as MLflow's pages keep it: whole runs, best UF1 first, figures as columns."""
    parts = [part for part in file.parts if part != "full"]
    columns = ["uf1", "uf1_low", "uf1_high", "uar", "acc", *(f"{part}/uf1" for part in parts)]
    state = {
        "searchFilter": "tags.method LIKE '%'",  # folds lack this tag
        "orderByKey": "metrics.`uf1`",
        "orderByAsc": False,
        "selectedColumns": [*(f"metrics.`{name}`" for name in columns), "tags.`status`"],
    }
    return json.dumps({"name": _VIEW, "createdAt": _milliseconds(file.created), "state": json.dumps(state)})


def compared(folder: Path, truth_of: TruthOf) -> tuple[str, str]:
    """Return what the clips and labels of a complete run agree with, empty if nothing; and why they do not, in a line.

    Both are empty while folds are missing. Raises a `RecordError` where ``run.json`` does not verify.
    """
    run = read_run(folder)
    if run.mark is None:
        return "", ""
    found, difference = hold(run, truth_of(run.file), home() / "held")
    if isinstance(found, HeldRun):
        return found.origin_of_truth, ""
    return "", difference or why_not_held([found])


def state_of(folder: Path, file: RunFile, *known: str) -> str:
    """Digest the files that describe a run's records, and what is `known` of them; no predictions are read."""
    records = RunFolder(folder)
    paths = [folder / "run.json", folder / "complete.json"]
    paths += [records.fold_path(fold) / "record.json" for fold in file.folds]
    return digest([VERSION, *known, *(bytes_digest(path.read_bytes()) if path.exists() else "" for path in paths)])


def read_content(folder: Path, agrees: str, differs: str) -> tuple[Content, dict[str, Content], list[str], RecordedRun]:
    """Read a run's folder for MLflow; raises a `RecordError` where ``run.json`` does not verify.

    `agrees` and `differs` are those of :func:`compared`: only a run that agrees has scores. Returns the run's content,
    that of its folds by their folder's name, the lines on records that do not verify and are excluded, and the run as
    recorded.
    """
    records = RunFolder(folder)
    state = state_of(
        folder, records.read_run(), agrees, differs
    )  # first: a fold recorded meanwhile is for the next pass
    run = read_run(folder)
    found: dict[str, FoldRecord] = {}
    folds: dict[str, Content] = {}
    problems = list(run.problems)
    for fold in run.file.folds:
        path = records.fold_path(fold) / "record.json"
        if not path.exists():
            continue
        try:
            record, table = records.read_fold(fold, run.file)
        except RecordError as error:
            problems.append(str(error))
            continue
        found[fold] = record
        right = None if table is None or "predicted" not in table else float((table.truth == table.predicted).mean())
        folds[fold_folder(fold)] = _fold_content(record, bytes_digest(path.read_bytes()), right)
    return _run_content(run, found, state, agrees, differs), folds, list(dict.fromkeys(problems)), run


def _run_content(run: RecordedRun, records: Mapping[str, FoldRecord], state: str, agrees: str, differs: str) -> Content:
    file, key = run.file, run.file.key
    failed = sum(record.status == "failed" for record in records.values())
    status = "FINISHED" if run.complete else "FAILED" if failed else "RUNNING"
    missing = f"{len(records) - failed} of {len(file.folds)} folds" + (f", {failed} failed" if failed else "")
    ends = [_milliseconds(record.finished) for record in records.values()]
    # One with missing folds, or that was not compared with its protocol, has no figures to be ranked by.
    whole = run.complete and bool(agrees)
    scores = part_scores([run.predictions], file.outputs, file.parts, file.task) if whole else []
    metrics = {
        "folds": float(len(records) - failed),
        "folds_failed": float(failed),
        "seconds": sum(record.seconds.get("total", 0.0) for record in records.values()),
        "peak_memory_mb": max((record.peak_memory_mb or math.nan for record in records.values()), default=math.nan),
    }
    tags = {
        "run": file.run_id,
        "status": "complete" if run.complete else missing,
        "method": file.method,
        "config": file.config_name,
        "variant": file.variant,
        "seed": str(key.seed),
        "protocol": file.protocol,
        "data": file.data,
        "synthetic": str(file.synthetic).lower(),
        "selection": key.selection,
        "origin": run.origin,
        "disclosures": ", ".join(file.disclosures),
        "compared_with": agrees,
        "not_ranked": differs or "; ".join(unranked(run)),
        **({"sanity": "labels shuffled"} if key.shuffled else {}),
        **({"warnings": "; ".join(file.warnings)} if file.warnings else {}),
        "key": key.digest(),
        **{name: getattr(key, name) for name in ("spec_digest", "split_digest", "data_digest", "code_digest")},
        "merbench": file.merbench,
        "mlflow.source.name": "merbench",
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": file.git_commit or "",
        "mlflow.note.content": _note(run, scores, differs),
    }
    start = _milliseconds(file.created)
    settings = {k: v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for k, v in key.config.items()}
    return Content(
        name=_cut(shown(" ".join([file.method, *file.apart(), f"seed {key.seed}"])), _NAME),
        mirrored=state,
        status=status,
        start=start,
        end=max([start, *ends]) if status != "RUNNING" else None,
        tags={name: _cut(shown(text), _TAG) if name != "mlflow.note.content" else text for name, text in tags.items()},
        params={name: _cut(shown(text), _PARAM) for name, text in settings.items()},
        metrics=metrics | _figures(run, scores),
    )


def _figures(run: RecordedRun, scores: list[PartScore]) -> dict[str, float]:
    names = ("uf1", "uf1_low", "uf1_high", "uar", "uar_low", "uar_high", "acc", "clips", "classes_scored")
    figures = {(part, name): math.nan for part in run.file.parts for name in names}
    for score in scores:
        values = (
            score.uf1, score.uf1_interval.low, score.uf1_interval.high, score.uar, score.uar_interval.low,
            score.uar_interval.high, score.acc, float(score.clips), float(score.classes_scored),
        )  # fmt: skip
        figures |= {(score.part, name): value for name, value in zip(names, values, strict=True)}
    return {name if part == "full" else f"{part}/{name}": value for (part, name), value in figures.items()}


def _note(run: RecordedRun, scores: list[PartScore], differs: str) -> str:
    file = run.file
    lines = [*file.warnings, *["Synthetic data: the scores do not carry over to real data."] * file.synthetic]
    lines += [f"No scores: {differs}"] * bool(differs)
    lines += [""] * bool(lines)
    if scores:
        lines += [
            f"| Part | {'UF1' if file.task == 'classification' else 'F1'} | 95 % | UAR | Acc | Clips |",
            "| --- | --: | --: | --: | --: | --: |",
        ]
        for score in scores:
            low, high = score.uf1_interval.low, score.uf1_interval.high
            cells = [number(score.uf1), f"{number(low, 3)}–{number(high, 3)}", number(score.uar), number(score.acc)]
            title = shown(file.parts[score.part]).replace("|", "/")
            lines.append(f"| {title} | {' | '.join(cells)} | {score.clips} |")
    lines += ["", *(f"Failed fold {fold}: {why}" for fold, why in list(run.failed.items())[:10])]
    return _cut("\n".join(shown(line) for line in [*lines, f"`merbench show {file.run_id}` shows more."]), _TAG)


def _fold_content(record: FoldRecord, sha256: str, right: float | None) -> Content:
    dataset, _, subject = record.fold.partition("/")
    end = _milliseconds(record.finished)
    metrics = {"seconds" if name == "total" else f"{name}_seconds": value for name, value in record.seconds.items()}
    known = {name: getattr(record, name) for name in ("peak_memory_mb", "peak_gpu_memory_mb", "selected_epoch")}
    metrics |= {name: value for name, value in {**known, "acc": right}.items() if value is not None}
    tags = {"dataset": shown(dataset), "subject": shown(subject), "status": "ok"}
    tags |= {"device": record.device, "threads": str(record.threads)}
    if record.failure:
        failure = record.failure
        tags["status"] = "failed"
        tags["error"] = shown(f"{failure.type}: {failure.message}")
        trace = "\n".join(shown(line) for line in failure.traceback.splitlines()[-60:])
        tags["mlflow.note.content"] = f"```\n{trace[-_TAG + 10 :]}\n```"
    return Content(
        name=_cut(shown(record.fold), _NAME),
        mirrored=digest([VERSION, sha256]),
        status="FAILED" if record.failure else "FINISHED",
        start=round(end - 1000 * record.seconds.get("total", 0.0)),
        end=end,
        tags={name: _cut(text, _TAG) for name, text in tags.items()},
        params={},
        metrics={**metrics, "clips": float(record.clips), "train_clips": float(record.train_clips)},
    )


def _cut(text: str, longest: int) -> str:
    """Shorten a text that MLflow would refuse; ``run.json`` among the files has all of it."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _milliseconds(time: str) -> int:
    return max(0, round(datetime.fromisoformat(time).timestamp() * 1000))
