"""Recorded and committed runs as a dishonest person would rewrite them: every checksum is made anew."""

import json
from pathlib import Path

import pandas as pd

from merbench.contracts.digests import bytes_digest
from merbench.records.model import RunFile


def forge(folder: Path, table=None, key=None, **fields):
    """Rewrite the predictions of a whole run by `table`, fields of its key, and other fields of its run.json."""
    path = folder / "run.json"
    run = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(run | fields | {"key": run["key"] | (key or {})}), encoding="utf-8")
    mark = json.loads((folder / "complete.json").read_text(encoding="utf-8"))
    name = folder / mark["predictions"]
    if table is not None:
        committed = name.suffix == ".csv"
        before = pd.read_csv(name, dtype={"subject": str, "clip": str}) if committed else pd.read_parquet(name)
        after = table(before.copy())
        name.write_bytes(after.to_csv(index=False).encode() if committed else after.to_parquet(index=False))
        mark |= {"sha256": bytes_digest(name.read_bytes()), "clips": len(after)}
    file = RunFile.model_validate_json(path.read_bytes())
    mark |= {"key_digest": file.key.digest(), "run_digest": file.digest()}
    (folder / "complete.json").write_text(json.dumps(mark), encoding="utf-8")
    return folder


def only_right_ones(table):
    """Drop the clips that are not recognised."""
    return table[table.truth == table.predicted]


def truth_as_predicted(table):
    """Claim that every prediction is right."""
    return table.assign(truth=table.predicted)
