"""Scores of rows, kept between commands: bootstrap intervals of thousands of rows take minutes.

A file a row, in a folder of one's own (in ``MERBENCH_HOME``), never in a results folder or a submission: whoever passes
results on can't pass scores on. A row is found by the checksums of its seeds' predictions, which are verified before,
by the digests of what they are scored by, and by the version of scoring. The folder can be deleted without loss.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from merbench import scoring
from merbench.contracts.digests import bytes_digest, digest
from merbench.contracts.errors import MerbenchError
from merbench.records.files import write_whole
from merbench.records.read import RecordedRun
from merbench.scoring.intervals import Interval
from merbench.scoring.table import PartScore, part_scores, subject_confusions

#: How many rows are kept; those that were computed first make way. About 3 KB each.
MOST_ROWS = 20_000


@dataclass(frozen=True)
class RowScores:
    """All that a table needs of a row's predictions.

    Attributes
    ----------
    parts : list of PartScore
        The figures of each part; empty where nothing was predicted.
    by_subject : ndarray of float, shape (n_subjects, n_classes, n_classes), optional
        Each subject's confusion matrix, mean over seeds; subjects sorted by dataset and name. None for AU detection.
    """

    parts: list[PartScore]
    by_subject: npt.NDArray[np.float64] | None


class ScoreCache:
    """Scores of rows by what they are computed from.

    Parameters
    ----------
    folder : Path, optional
        Where they are kept; without one every row is scored anew.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._room: int | None = None

    def scores(self, runs: Sequence[RecordedRun]) -> RowScores:
        """Return the scores of a row, its seeds given; whole runs are scored once, runs with holes every time."""
        path = self._path(runs)
        if path is not None and (known := _read(path)) is not None:
            return known
        found = _computed(runs)
        if path is not None and all(run.mark is not None for run in runs):
            self._write(path, found)
        return found

    def _path(self, runs: Sequence[RecordedRun]) -> Path | None:
        marks = [run.mark for run in runs]
        if self._folder is None or None in marks:
            return None
        file = runs[0].file
        name = digest({
            "scoring": scoring.VERSION,
            "predictions": [mark.sha256 for mark in marks if mark is not None],
            "split": file.key.split_digest,
            "spec": file.key.spec_digest,
            "task": file.task,
            "outputs": file.outputs,
            "parts": list(file.parts),
        })  # fmt: skip
        return self._folder / f"{name}.json"

    def _write(self, path: Path, found: RowScores) -> None:
        """Keep a row's scores; a full disk or a folder that is not writable is ignored."""
        body = json.dumps(_as_json(found), separators=(",", ":")).encode()
        with suppress(MerbenchError, OSError):
            write_whole(path, bytes_digest(body).encode() + b"\n" + body)
            self._make_room(path.parent)

    def _make_room(self, folder: Path) -> None:
        if self._room is None:
            self._room = MOST_ROWS - sum(1 for _ in folder.glob("*.json"))
        else:
            self._room -= 1
        if self._room < 0:
            oldest = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime)[
                : MOST_ROWS // 10 - self._room
            ]
            for path in oldest:
                path.unlink(missing_ok=True)
            self._room = None


def _computed(runs: Sequence[RecordedRun]) -> RowScores:
    file = runs[0].file
    tables = [run.predictions for run in runs if len(run.predictions)]
    by_subject = None
    if tables and file.task == "classification":
        by_subject = subject_confusions(tables, file.outputs)[0].mean(axis=0)
    return RowScores(part_scores(tables, file.outputs, file.parts, file.task) if tables else [], by_subject)


def _as_json(found: RowScores) -> dict[str, Any]:
    parts = [
        [part.part, part.clips, part.classes_scored, part.uf1, part.uar, part.acc, part.uf1_interval.low,
         part.uf1_interval.high, part.uar_interval.low, part.uar_interval.high, part.seed_sd]
        for part in found.parts
    ]  # fmt: skip
    return {"parts": parts, "by_subject": None if found.by_subject is None else found.by_subject.tolist()}


def _read(path: Path) -> RowScores | None:
    """Read a row's scores; None where there are none, or the file is damaged."""
    try:
        checksum, _, body = path.read_bytes().partition(b"\n")
    except OSError:
        return None
    if checksum.decode("ascii", "replace") != bytes_digest(body):
        return None
    content = json.loads(body)
    parts = [
        PartScore(part, clips, scored, uf1, uar, acc, Interval(*ends[:2]), Interval(*ends[2:]), sd)
        for part, clips, scored, uf1, uar, acc, *ends, sd in content["parts"]
    ]
    by_subject = content["by_subject"]
    return RowScores(parts, None if by_subject is None else np.array(by_subject, dtype=np.float64))
