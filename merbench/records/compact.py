"""Merge the folds of a run into one table of predictions, once the last fold is in."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import pyarrow as pa

from merbench.contracts.clips import IDENTITY
from merbench.contracts.digests import bytes_digest
from merbench.contracts.errors import RecordError
from merbench.records.files import now, parquet_bytes, verified_table, write_whole
from merbench.records.folder import PREDICTIONS, RunFolder
from merbench.records.model import CompleteFile, FoldRecord, RunFile
from merbench.records.predictions import check_clips, check_predictions, prediction_columns, problem_of


def compact(folder: RunFolder, run: RunFile, truth: pd.DataFrame) -> CompleteFile:
    """Merge all folds, verify them against `truth`, and write the commit mark of the whole run.

    `truth` has ``dataset, subject, clip, truth, fold`` of every clip that the protocol tests. Raises RecordError if a
    fold is missing, failed or does not verify.
    """
    table, facts = _merged(folder, run, truth)
    content = parquet_bytes(table)
    write_whole(folder.path / PREDICTIONS, content)
    mark = CompleteFile(
        run_id=run.run_id,
        key_digest=run.key.digest(),
        run_digest=folder.read_run().digest(),
        predictions=PREDICTIONS,
        sha256=bytes_digest(content),
        finished=now(),
        **facts,
    )
    write_whole(folder.path / "complete.json", mark.model_dump_json(indent=1).encode())
    return mark


def check_merged(folder: RunFolder, run: RunFile, truth: pd.DataFrame) -> None:
    """Merge the folds of a complete run again; RecordError names what is not as it was merged then."""
    table, facts = _merged(folder, run, truth)
    mark, merged = folder.read_complete(run)
    differing = [name for name, value in facts.items() if getattr(mark, name) != value]
    if differing:
        names = ", ".join(differing)
        raise RecordError(f"{folder.path / 'complete.json'} and the records of the folds differ in {names}")
    if not merged.equals(table):
        raise RecordError(f"{folder.path / PREDICTIONS} differs from the predictions of its folds")


def _merged(folder: RunFolder, run: RunFile, truth: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the predictions of all folds, in order, and what the commit mark says of them."""
    tables, records = [], []
    for fold in run.folds:
        record = folder.read_record(fold, run.key.digest())
        if record.status == "failed":
            raise RecordError(f"fold {fold} of {run.run_id} failed")
        path = folder.fold_path(fold) / PREDICTIONS
        part = verified_table(path, record.checksums.get(PREDICTIONS, "none"))
        if part.column_names != prediction_columns(problem_of(run)):
            raise RecordError(f"{path} has the columns {', '.join(part.column_names)}")
        tables.append(part.append_column("fold", pa.array([fold] * part.num_rows)))
        records.append(record)
    table = pa.concat_tables(tables, promote_options="permissive").to_pandas()
    table = table.sort_values(IDENTITY, ignore_index=True)
    check_clips(table, truth, str(folder.path))
    table = check_predictions(table.drop(columns="fold"), problem_of(run), run.run_id)
    return table, {
        "clips": len(table),
        "seconds": round(sum(record.seconds["total"] for record in records), 3),
        "mixed": _mixed(records),
        "isolated": all(record.isolated for record in records),
        "read": {path: sha256 for record in records for path, sha256 in record.read.items()},
    }


def _mixed(records: Sequence[FoldRecord]) -> list[str]:
    """Return what differs between the folds of a run, such as devices or packages."""
    found: dict[str, set[Any]] = {}
    for record in records:
        facts = {**record.packages, **record.hardware, "device": record.device, "threads": record.threads}
        facts["packed folds"] = record.packed > 1
        facts["isolation"] = record.isolated
        for name, value in facts.items():
            found.setdefault(name, set()).add(value)
    return sorted(name for name, values in found.items() if len(values) > 1)
