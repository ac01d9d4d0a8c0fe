"""Recorded and committed runs as a dishonest person would rewrite them: every checksum is made anew."""

import json
from pathlib import Path

import pandas as pd

from merbench.contracts.digests import bytes_digest
from merbench.records.model import RunFile


def forge(folder: Path, table=None, key=None, mark=None, **fields):
    """Rewrite the predictions of a whole run by `table`, fields of its key, complete.json and run.json.

    A run with another key gets the name of that, as its folder, which is returned, unless `fields` have a name.
    """
    path = folder / "run.json"
    run = json.loads(path.read_text(encoding="utf-8"))
    run |= {"key": run["key"] | (key or {})} | fields
    file = RunFile.model_validate(run)
    if key and "run_id" not in fields:
        shuffled = "-shuffled" * file.key.shuffled
        run["run_id"] = f"{file.method}-{file.protocol}{shuffled}-s{file.key.seed}-{file.key.digest()[:10]}"
        file = RunFile.model_validate(run)
    path.write_text(json.dumps(run), encoding="utf-8")
    found = json.loads((folder / "complete.json").read_text(encoding="utf-8"))
    name = folder / found["predictions"]
    if table is not None:
        committed = name.suffix == ".csv"
        before = pd.read_csv(name, dtype={"subject": str, "clip": str}) if committed else pd.read_parquet(name)
        after = table(before.copy())
        name.write_bytes(after.to_csv(index=False).encode() if committed else after.to_parquet(index=False))
        found |= {"sha256": bytes_digest(name.read_bytes()), "clips": len(after)}
    found |= {"key_digest": file.key.digest(), "run_digest": file.digest(), **(mark or {})}
    (folder / "complete.json").write_text(json.dumps(found), encoding="utf-8")
    return folder.rename(folder.with_name(run["run_id"]))


def forge_fold(folder: Path, table):
    """Rewrite the predictions of one fold, and its checksum."""
    path = folder / "record.json"
    content = table(pd.read_parquet(folder / "predictions.parquet")).to_parquet(index=False)
    (folder / "predictions.parquet").write_bytes(content)
    record = json.loads(path.read_text(encoding="utf-8"))
    record["checksums"]["predictions.parquet"] = bytes_digest(content)
    path.write_text(json.dumps(record), encoding="utf-8")


def only_right_ones(table):
    """Drop the clips that are not recognised."""
    return table[table.truth == table.predicted]


def truth_as_predicted(table):
    """Claim that every prediction is right."""
    return table.assign(truth=table.predicted)


def truth_moved_within_people(table):
    """Give each person's clips the same labels in another order."""
    return table.assign(
        truth=table.groupby(["dataset", "subject"]).truth.transform(lambda labels: labels[::-1].to_numpy())
    )


def predicted_as_truth(table):
    """Claim other predictions, scores included."""
    scores = {f"score_{name}": (table.truth == name).astype(float) for name in sorted(set(table.truth))}
    return table.assign(predicted=table.truth, **scores)


def cell(column, value):
    """Return what gives the first clip another value."""
    return lambda table: table.assign(**{column: [value, *table[column][1:]]})


#: Name -> table that has not the form of predictions, and the words that say so.
MALFORMED = {
    "a clip twice": (lambda table: pd.concat([table, table.iloc[:1]]), "has a clip twice"),
    "a column more": (lambda table: table.assign(confidence=1.0), "has unknown columns confidence"),
    "a column less": (lambda table: table.iloc[:, :-1], "lacks the columns score_"),
    "no score": (cell("score_negative", float("nan")), "a score is missing or not finite for "),
    "an infinite score": (cell("score_negative", float("inf")), "a score is missing or not finite for "),
    "scores in words": (lambda table: table.assign(score_negative="high"), "scores must be numbers"),
    "another class": (cell("predicted", "joy"), "predicted 'joy' is not one of negative, positive, surprise"),
}
