"""Runs over four folds, and damage to their folders."""

import io
import json
import shutil

import numpy as np
import pandas as pd

from merbench.contracts.digests import bytes_digest
from merbench.engine.execute.grid import execute
from merbench.engine.plan.runs import Request, plan_runs
from support.recording import Silent
from support.toy import CLASSES, prepared

FOLDS = ["samm/006", "samm/007", "samm/011", "smic-hs/s11"]
FOLD, LAST = FOLDS[0], FOLDS[-1]


def plans_of(method, **request):
    return plan_runs(Request.named((method,), **request), [prepared(*FOLDS)])


class Watcher(Silent):
    """Keeps the notes, and the names of finished folds."""

    def __init__(self):
        self.notes, self.outcomes = [], []
        self.note = self.notes.append

    def fold_finished(self, plan, outcome):
        self.outcomes.append(outcome.fold)


def go(plan, runs, *args, **options):
    watcher = Watcher()
    (state,) = execute([plan], runs, watcher, *args, **options)
    return state, watcher


def edit(path, **changes):
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | changes))


def vouch_for(name, content):
    def change(folder):
        (folder / name).write_bytes(content)
        checksums = json.loads((folder / "record.json").read_text())["checksums"]
        edit(folder / "record.json", checksums=checksums | {name: bytes_digest(content)})

    return change


def editing(name="record.json", **changes):
    return lambda folder: edit(folder / name, **changes)


def rewriting(change):
    """Return what changes a prediction table and makes the commit mark vouch for it."""
    table = "predictions.parquet"
    return lambda folder: vouch_for(table, change(pd.read_parquet(folder / table)).to_parquet(index=False))(folder)


def gone(name):
    return lambda folder: (folder / name).unlink()


def cell(column, value, kind=None):
    def change(table):
        table[column] = table[column].astype(kind or object)
        table.loc[1, column] = value(table.loc[1, column]) if callable(value) else value
        return table

    return rewriting(change)


def changing(name, change):
    return lambda folder: (folder / name).write_bytes(change((folder / name).read_bytes()))


def truncate(name, keep=0.5):
    return changing(name, lambda content: content[: int(len(content) * keep)])


def flip(name):
    def flipped(content):
        middle = len(content) // 2
        return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]

    return changing(name, flipped)


def next_class(name):
    return CLASSES[(CLASSES.index(name) + 1) % 3]


def copy_record(folder):
    shutil.copy(folder.parent / "samm--007" / "record.json", folder / "record.json")


def copy_fold(folder):
    shutil.rmtree(folder)
    shutil.copytree(folder.parent / "samm--007", folder)


def copy_fold_under_this_name(folder):
    copy_fold(folder)
    edit(folder / "record.json", fold=FOLD)


def without(*names):
    left = lambda content: {k: v for k, v in json.loads(content).items() if k not in names}  # noqa: E731
    return changing("record.json", lambda content: json.dumps(left(content)).encode())


CHANGED = "has changed since it was recorded"


def copies(folder, cases):
    """Yield each case with a copy of a run's folder of its own, in a folder of runs of its own."""
    for number, name in enumerate(cases):
        yield name, shutil.copytree(folder, folder.parents[1] / f"copy{number}" / folder.name)


def npy(values, **options):
    buffer = io.BytesIO()
    np.save(buffer, values, **options)
    return buffer.getvalue()


def npz(values):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, face=values)
    return buffer.getvalue()
