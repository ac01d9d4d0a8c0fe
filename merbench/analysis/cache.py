"""Scores of rows, kept between commands: bootstrap intervals of thousands of rows take minutes.

A file a row, in a folder of one's own (in ``MERBENCH_HOME``), never in a results folder or a submission: whoever passes
results on can't pass scores on. A row is found by the checksums of its seeds' predictions, which are verified before,
by the digests of what they are scored by, and by the version of scoring. The folder can be deleted without loss.
"""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from merbench import scoring
from merbench.contracts.digests import digest
from merbench.records.files import keep_json, kept_json
from merbench.records.read import RecordedRun
from merbench.scoring.intervals import Interval
from merbench.scoring.table import PartScore, part_scores, subject_confusions

#: How many rows are kept; those that were computed first make way. About 3 KB each.
MOST_ROWS = 20_000


#: The figures of each part, none where nothing was predicted; and each subject's confusion matrix, mean over seeds,
#: shape (n_subjects, n_classes, n_classes), subjects sorted by dataset and name; None for AU detection.
_RowScores = tuple[list[PartScore], npt.NDArray[np.float64] | None]


def row_scores(runs: Sequence[RecordedRun], folder: Path | None = None) -> _RowScores:
    """Return the scores of a row, its seeds given; whole runs are scored once and kept in `folder`, if there is one.

    A full disk or a folder that is not writable is ignored.
    """
    path = _path(runs, folder)
    if path is None:
        return _computed(runs)
    if (known := _read(path)) is not None:
        return known
    found = _computed(runs)
    if _path(runs, folder) == path:  # else predictions did not verify when they were read
        keep_json(path, _as_json(*found))
    return found


def _path(runs: Sequence[RecordedRun], folder: Path | None) -> Path | None:
    marks = [run.mark.sha256 for run in runs if run.mark is not None]
    if folder is None or len(marks) < len(runs):
        return None
    file = runs[0].file
    name = digest({
        "scoring": scoring.VERSION,
        "predictions": marks,
        "split": file.key.split_digest,
        "spec": file.key.spec_digest,
        "task": file.task,
        "outputs": file.outputs,
        "parts": list(file.parts),
    })  # fmt: skip
    return folder / f"{name}.json"


def make_room(folder: Path) -> None:
    """Delete the rows of a folder that were computed first, if there are more than `MOST_ROWS`."""
    with suppress(OSError):
        paths = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
        for path in paths[: len(paths) - MOST_ROWS + MOST_ROWS // 10] if len(paths) > MOST_ROWS else ():
            path.unlink(missing_ok=True)


def _computed(runs: Sequence[RecordedRun]) -> _RowScores:
    file = runs[0].file
    tables = [run.predictions for run in runs if len(run.predictions)]
    by_subject = None
    if tables and file.task == "classification":
        by_subject = subject_confusions(tables, file.outputs)[0].mean(axis=0)
    return part_scores(tables, file.outputs, file.parts, file.task) if tables else [], by_subject


def _as_json(found: list[PartScore], by_subject: npt.NDArray[np.float64] | None) -> dict[str, Any]:
    parts = [
        [part.part, part.clips, part.classes_scored, part.uf1, part.uar, part.acc, part.uf1_interval.low,
         part.uf1_interval.high, part.uar_interval.low, part.uar_interval.high, part.seed_sd]
        for part in found
    ]  # fmt: skip
    return {"parts": parts, "by_subject": None if by_subject is None else by_subject.tolist()}


def _read(path: Path) -> _RowScores | None:
    """Read a row's scores; None where there are none, or the file is damaged."""
    content = kept_json(path)
    if content is None:
        return None
    parts = [
        PartScore(part, clips, scored, uf1, uar, acc, Interval(*ends[:2]), Interval(*ends[2:]), sd)
        for part, clips, scored, uf1, uar, acc, *ends, sd in content["parts"]
    ]
    by_subject = content["by_subject"]
    return parts, (None if by_subject is None else np.array(by_subject, dtype=np.float64))
