"""Prediction logs: read in any form that people have them in, held against the protocol, and written.

The challenge's log has a line per fold, ``<dataset> <subject>``, and below it a line per clip, ``<clip> <truth>
<prediction>``, classes as numbers in the protocol's order. The CSV has the columns ``dataset, subject, clip, truth,
predicted``, classes by name, and may have more.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from merbench.contracts.clips import IDENTITY, clip_names
from merbench.contracts.errors import DataError, listed
from merbench.contracts.names import cell
from merbench.contracts.notes import Note
from merbench.contracts.protocols import ProtocolSpec
from merbench.records.log_classes import SAME, class_numbers, cleaned, is_missing, number_of, other_order, swapped
from merbench.records.log_clips import check_each_once, identified
from merbench.records.log_columns import CSV_COLUMNS, check_one_run, with_predicted, words_of
from merbench.records.log_files import read_words
from merbench.records.truth import Truth, against

#: Datasets that the challenge spells differently.
_CHALLENGE_NAMES = {"smic-hs": "smic"}

#: Columns of a log that holds several runs, and of one that has training clips, too.
_RUNS = ("seed", "run", "repeat", "repetition", "trial")
_SETS = ("split", "set", "subset", "phase", "partition", "role", "mode", "stage")


class _Spelling(Protocol):
    """The one spelling of a clip and of a dataset; either raises a DataError for a name that it does not know."""

    def dataset(self, word: str) -> str: ...
    def __call__(self, dataset: str, subject: str, clip: str) -> tuple[str, str, str]: ...


@dataclass(frozen=True)
class Log:
    """A log, held against the truth where it is known.

    `predictions` are the clips that are scored, ``dataset, subject, clip, truth, predicted`` and complete scores, with
    the log's own truth where it has one, and `as_listed` the same with the known truth. `missing` are clips without a
    prediction, `foreign` those that the protocol does not test, which are not scored, `relabelled` those whose truth
    differs from the known one, with both. `folds` are those of the scored clips, if known; `epochs` the predictions
    after every epoch, ``dataset, subject, clip, epoch, predicted``, if the log has them; `origin` says what the
    truth is known from, empty if it is not.
    """

    predictions: pd.DataFrame
    missing: list[str]
    foreign: list[str]
    relabelled: list[str]
    as_listed: pd.DataFrame
    folds: list[str]
    epochs: pd.DataFrame | None
    origin: str
    notes: list[Note]

    @property
    def copied(self) -> bool:
        """Whether the log's truth equals its predictions, although no clip's truth is known."""
        return not self.origin and bool((self.predictions.truth == self.predictions.predicted).all())


def read_log(path: Path, protocol: ProtocolSpec, spelling: _Spelling, known: Truth | None = None) -> Log:
    """Read a log and hold it against the known truth.

    `path` is a file or a folder, see :func:`merbench.records.log_files.read_words`; `spelling` is
    :func:`merbench.databases.readers.identity.log_spelling`. Raises DataError for a log that is not readable, lacks
    columns, has an unknown database or class, a clip twice, no clip of the protocol, or truth and prediction swapped;
    names the line or the clips.
    """
    table, notes = read_words(path, spelling.dataset)
    return _held(table, str(path), protocol, spelling, known, notes)


def log_of(
    table: pd.DataFrame, name: str, protocol: ProtocolSpec, spelling: _Spelling, known: Truth | None = None
) -> Log:
    """Hold a data frame with the columns of a log against the known truth, as :func:`read_log`."""
    return _held(words_of(table, name), name, protocol, spelling, known, [])


def _held(
    table: pd.DataFrame,
    name: str,
    protocol: ProtocolSpec,
    spelling: _Spelling,
    known: Truth | None,
    notes: Sequence[Note],
) -> Log:
    table, chosen = with_predicted(table, protocol.classes)
    check_one_run(table, name, protocol.classes)
    used = {*CSV_COLUMNS, "epoch", *_RUNS, *_SETS, *(f"score_{each}" for each in protocol.classes), "place", "stem"}
    table = table[[column for column in table.columns if column in used]]
    unnamed = "clip" not in table.columns
    table = identified(table, name, protocol, spelling, None if known is None else known.clips)
    if unnamed and known is not None and "truth" in table.columns:
        text = (
            "no names of clips: those of a subject and class have them in the list's order, which no figure depends on"
        )
        chosen = [*chosen, Note("warning", text)]
    table, said = _classified(table, name, protocol, known)
    table, repeated = check_each_once(table, name, _RUNS, _SETS)
    if repeated:
        rows = f"{repeated} rows repeat clips" if repeated > 1 else "1 row repeats a clip"
        said.append(Note("warning", f"{rows} with the same classes: each clip counts once"))
    epochs, last, after = _by_epoch(table)
    log = _against(last, name, protocol, known)
    after += _other_ranks(log.predictions, protocol.classes)
    if epochs is not None:
        epochs = epochs.merge(log.predictions[IDENTITY], on=IDENTITY)
    return replace(log, epochs=epochs, notes=[*notes, *chosen, *said, *after, *log.notes])


def _classified(
    table: pd.DataFrame, name: str, protocol: ProtocolSpec, known: Truth | None
) -> tuple[pd.DataFrame, list[Note]]:
    """Read the classes of truth and prediction; None where there is none."""
    classes = protocol.classes
    listed_truth = None
    if known is not None:
        listed_truth = table[IDENTITY].merge(known.clips, on=IDENTITY, how="left").truth.set_axis(table.index)
    words = [column for column in ("truth", "predicted") if column in table.columns]
    table = table.assign(**{column: table[column].map(lambda word: cleaned(word, classes)) for column in words})
    meaning, written = class_numbers(table, protocol, listed_truth, name), table.predicted
    for column in ("truth", "predicted"):
        if column not in table.columns:
            table = table.assign(truth=None)
            continue
        read = {
            word: None
            if is_missing(word, classes) and number_of(word, classes) not in meaning.meaning
            else meaning(word) or ""
            for word in table[column].unique()
        }
        found = table[column].map(read)
        for row in table[found == ""].head(1).itertuples():
            numbers = ", ".join(f"{number} {each}" for number, each in sorted(meaning.meaning.items()))
            word = str(getattr(row, column))
            shown = repr(word if len(word) <= 40 else f"{word[:39]}…")
            raise DataError(f"{row.place}: unknown class {shown}, expected one of {numbers}")
        if known is None and column == "truth" and found.isna().any():
            place = table.place[found.isna()].iloc[0]
            raise DataError(f"{place}: no truth, and protocol {protocol.name} has no public list of classes")
        table = table.assign(**{column: found.astype(object).where(found.notna(), None)})
    assumed = meaning.meaning == dict(enumerate(classes))
    notes = [Note("note" if assumed else "warning", f"{meaning}, {meaning.how}")] if meaning.how else []
    if meaning.how and listed_truth is not None and (said := other_order(written, listed_truth, meaning)):
        notes.append(Note("warning", said))
    return table, notes


def _by_epoch(table: pd.DataFrame) -> tuple[pd.DataFrame | None, pd.DataFrame, list[Note]]:
    """Return the predictions after every epoch, and those after the last one of each clip."""
    if "epoch" not in table.columns:
        return None, table, []
    numbers = pd.to_numeric(table.epoch, errors="coerce").replace([float("inf"), -float("inf")], float("nan"))
    for row in table[numbers.isna()].head(1).itertuples():
        raise DataError(f"{row.place}: epoch {row.epoch!r} is not a number")
    table = table.assign(epoch=numbers)
    last = table.groupby(IDENTITY).epoch.transform("max")
    count, ends = table.epoch.nunique(), sorted(last.unique())
    if count == 1:
        return None, table, []
    which = f"{ends[0]:g}" if len(ends) == 1 else f"{ends[0]:g} to {ends[-1]:g} by clip"
    note = f"{count} epochs: the predictions after the last one ({which}) are scored; merbench audit compares epochs"
    return table[[*IDENTITY, "epoch", "predicted"]], table[table.epoch == last], [Note("note", note)]


def _other_ranks(found: pd.DataFrame, classes: Sequence[str]) -> list[Note]:
    """Name clips whose predicted class has not the largest of the scores that the log gives, too."""
    columns = [f"score_{name}" for name in classes]
    if not set(columns) <= set(found.columns):
        return []
    scores = found[columns].set_axis(list(classes), axis=1)
    own = scores.to_numpy()[range(len(found)), [classes.index(name) for name in found.predicted]]
    other = own < scores.max(axis=1)
    if not other.any():
        return []
    best = scores[other].idxmax(axis=1)
    named = zip(clip_names(found[other]), found.predicted[other], best, strict=True)
    some = listed((f"{clip} (predicted {said}, largest score {largest})" for clip, said, largest in named), most=3)
    many = f"{other.sum()} of {len(found)} clips"
    text = f"predicted is not the class with the largest score in {many}, which counts nevertheless: {some}"
    return [Note("warning", text)]


def _against(table: pd.DataFrame, name: str, protocol: ProtocolSpec, known: Truth | None) -> Log:
    """Compare clips and truth with the known ones; where none are known, with the protocol's datasets."""
    columns = [*CSV_COLUMNS, *(_scores_of(table, protocol.classes))]
    if known is None:
        here = table.dataset.isin(protocol.tested)
        predicted = table[here & table.predicted.notna()].sort_values(IDENTITY, ignore_index=True)
        if predicted.empty and here.any():
            raise _without_predictions(name, protocol)
        if predicted.empty:
            raise DataError(f"{name} has no clip of protocol {protocol.name}, which is on {', '.join(protocol.tested)}")
        if _counts_fit(predicted.predicted, protocol) and not _counts_fit(predicted.truth, protocol):
            why = "its predictions have the protocol's number of clips of each class, its truth has not"
            raise swapped(name, why)
        found = _numeric(predicted[columns])
        missing = clip_names(table[here & table.predicted.isna()].sort_values(IDENTITY))
        return Log(found, missing, clip_names(table[~here]), [], found, [], None, "", [])
    both = against(table, known.clips)
    foreign = both[both.side == "foreign"]
    there = both[both.side.isin(["agrees", "relabelled"])]
    found = there[there.predicted.notna()].reset_index(drop=True)
    if found.empty and len(there):
        raise _without_predictions(name, protocol)
    if found.empty:
        unlisted = f"; {known.origin} lacks {listed(clip_names(foreign))}" if len(foreign) else ""
        raise DataError(f"{name} has no clip of protocol {protocol.name}{unlisted}")
    notes = [Note("note", f"truth is that of {known.origin}")] * bool(found.truth.isna().all())
    other = found.side == "relabelled"
    found = found.assign(truth=found.truth.fillna(found.truth_listed))
    if other.mean() > 1 - SAME and (found.truth_listed == found.predicted).mean() > SAME:
        raise swapped(name)
    missing = clip_names(both[(both.side != "foreign") & both.predicted.isna()])
    said = zip(clip_names(found[other]), found.truth[other], found.truth_listed[other], strict=True)
    relabelled = [f"{clip} ({truth}, listed {listed_class})" for clip, truth, listed_class in said]
    as_listed = _numeric(found.assign(truth=found.truth_listed)[columns])
    own = as_listed if other.any() and (found.truth == found.predicted).all() else _numeric(found[columns])
    if other.any() and own is as_listed:
        text = f"the log's truth is a copy of its predictions: scored with that of {known.origin}"
        notes.append(Note("warning", text))
    folds = found.fold_listed.tolist()
    return Log(own, missing, clip_names(foreign), relabelled, as_listed, folds, None, known.origin, notes)


def _counts_fit(found: "pd.Series[str]", protocol: ProtocolSpec) -> bool:
    """Say whether each class has the expected number of clips."""
    expected = dict(protocol.expected.classes) if protocol.expected else {}
    return bool(expected) and found.value_counts().to_dict() == {name: n for name, n in expected.items() if n}


def _without_predictions(name: str, protocol: ProtocolSpec) -> DataError:
    return DataError(f"{name} has clips of protocol {protocol.name}, but a prediction for none of them")


def _scores_of(table: pd.DataFrame, classes: Sequence[str]) -> list[str]:
    """Return the columns of the classes' scores, if the log has them all."""
    columns = [f"score_{name}" for name in classes]
    if not set(columns) <= set(table.columns):
        return []
    numbers = table[columns].apply(pd.to_numeric, errors="coerce")
    return columns if bool(numbers.notna().all(axis=None)) else []


def _numeric(table: pd.DataFrame) -> pd.DataFrame:
    scores: dict[str, Any] = {column: table[column].astype(float) for column in table.columns[len(CSV_COLUMNS) :]}
    return table.assign(**scores)


def to_csv(predictions: pd.DataFrame) -> str:
    """Write predictions as CSV, scores included; names as :func:`merbench.contracts.names.cell` writes them."""
    return table_csv(predictions.sort_values(IDENTITY))


def table_csv(table: pd.DataFrame) -> str:
    """Write a table as CSV, texts as :func:`merbench.contracts.names.cell` writes them."""
    written = table.map(lambda value: cell(value) if isinstance(value, str) else value)
    return str(written.to_csv(index=False, lineterminator="\n"))


def to_challenge(predictions: pd.DataFrame, classes: list[str]) -> str:
    """Write predictions in the challenge's format, one block per subject.

    Raises DataError if a name contains a space, which this format does not support.
    """
    blank = predictions[IDENTITY].apply(lambda column: column.str.contains(r"\s")).any(axis=1)
    if blank.any():
        names = listed(clip_names(predictions[blank]))
        raise DataError(f"the challenge format does not support names containing spaces ({names}): use --format csv")
    number = {name: index for index, name in enumerate(classes)}
    lines = []
    for (dataset, subject), block in predictions.sort_values(IDENTITY).groupby(["dataset", "subject"], sort=False):
        lines.append(f"{_CHALLENGE_NAMES.get(str(dataset), dataset)} {subject}")
        lines += [
            f"{clip} {number[t]} {number[p]}"
            for clip, t, p in zip(block["clip"], block.truth, block.predicted, strict=True)
        ]
    return "\n".join(lines) + "\n"
