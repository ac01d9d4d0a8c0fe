"""The clips of a log: every one in its one spelling, with what the protocol, the file or the path of a clip says."""

import re
from collections.abc import Iterable, Sequence
from typing import Protocol

import pandas as pd

from merbench.contracts.clips import IDENTITY
from merbench.contracts.errors import DataError, listed
from merbench.contracts.protocols import ProtocolSpec
from merbench.records.log_classes import number_of
from merbench.records.log_columns import CSV_COLUMNS

_Clip = tuple[str, str, str]


class _Spelling(Protocol):
    """The one spelling of a clip and of a dataset; either raises a DataError for a name that it does not know."""

    def dataset(self, word: str) -> str: ...
    def __call__(self, dataset: str, subject: str, clip: str) -> _Clip: ...


def identified(
    table: pd.DataFrame, name: str, protocol: ProtocolSpec, spelling: _Spelling, known: pd.DataFrame | None
) -> pd.DataFrame:
    """Add columns that the protocol, the `known` clips or the paths of the clips give, and spell each clip in one way.

    Raises DataError for columns that are lacking, and for a name that is not known, or is that of another database.
    """
    table = _from_paths(table, spelling)
    if "dataset" not in table.columns and len(protocol.tested) == 1:
        table = table.assign(dataset=protocol.tested[0])
    table = _from_file_names(table, spelling)
    needed = [column for column in CSV_COLUMNS if known is None or column != "truth"]
    lacking = [column for column in needed if column not in table.columns]
    if known is not None and lacking and set(lacking) <= {"dataset", "subject"}:
        table, lacking = _from_names(table, spelling, known), []
    if known is not None and lacking == ["clip"] and "truth" in table.columns:
        table, lacking = _by_counts(table, name, protocol, spelling, known), []
    if lacking:
        why = "" if known is not None else f" (protocol {protocol.name} has no public list of classes)"
        scores = ",".join(f"score_{each}" for each in protocol.classes)
        instead = f", or {scores} in place of predicted" * ("predicted" in lacking)
        raise DataError(
            f"{name} lacks the columns {listed(lacking)}: a log needs {','.join(needed)}{instead}"
            f"{why * ('truth' in lacking)}"
        )
    if table.empty:
        raise DataError(f"{name} has no predictions")
    spelled: dict[tuple[str, ...], _Clip] = {}
    written = list(zip(*(table[column] for column in IDENTITY), strict=True))
    for key, place in zip(written, table.place, strict=True):
        if key not in spelled:
            try:
                spelled[key] = spelling(*key)
            except DataError as error:
                raise DataError(f"{place}: {error}") from error
    _check_datasets(spelled, table, protocol, spelling, known)
    if known is not None:
        spelled = _with_zeros(spelled, known)
    return table.assign(**dict(zip(IDENTITY, zip(*(spelled[key] for key in written), strict=True), strict=True)))


def _parts(path: str) -> list[str]:
    return [part for part in re.split(r"[/\\]", path.strip()) if part]


def _spelled(spelling: _Spelling, dataset: str, subject: str, clip: str) -> _Clip | None:
    try:
        return spelling(dataset, subject, clip)
    except DataError:
        return None


def _dataset(spelling: _Spelling, word: str) -> bool:
    try:
        return bool(spelling.dataset(word))
    except DataError:
        return False


def _from_paths(table: pd.DataFrame, spelling: _Spelling) -> pd.DataFrame:
    """Take dataset and subject from clips such as ``casme2/sub01/EP02_01f`` where they have no column."""
    lacking = [column for column in ("dataset", "subject") if column not in table.columns]
    holder = "subject" if "subject" in table.columns else "clip"
    if not lacking or holder not in table.columns:
        return table
    paths = table[holder].map(_parts)
    if "dataset" in lacking:
        where = [max((at for at, part in enumerate(path[:-1]) if _dataset(spelling, part)), default=-1)
                 for path in paths]  # fmt: skip
        if not where or min(where) < 0:
            return table
        table = table.assign(dataset=[path[at] for path, at in zip(paths, where, strict=True)])
        if holder == "subject":
            return table.assign(subject=[path[-1] for path in paths])
    found = []
    for dataset, clip, path in zip(table.dataset, table["clip"], paths, strict=True):
        fits = (part for part in reversed(path[:-1]) if _spelled(spelling, dataset, part, clip))
        found.append(next(fits, ""))
    return table.assign(subject=found) if all(found) else table


def _from_file_names(table: pd.DataFrame, spelling: _Spelling) -> pd.DataFrame:
    """Take the subject from the name of the file, where files have one subject each and no column says which."""
    if "subject" in table.columns and "stem" in table.columns:  # some of the files have the column
        return table.assign(subject=table.subject.where(table.subject != "", table.stem))
    if not {"stem", "dataset", "clip"} <= set(table.columns):
        return table
    columns = (table.dataset, table.stem, table["clip"])
    wrong = [place for place, key in zip(table.place, zip(*columns, strict=True), strict=True)
             if _spelled(spelling, *key) is None]  # fmt: skip
    return table if wrong else table.assign(subject=table.stem)


def _by_counts(
    table: pd.DataFrame, name: str, protocol: ProtocolSpec, spelling: _Spelling, known: pd.DataFrame
) -> pd.DataFrame:
    """Name clips without a name after the known ones of the same subject and class, in order.

    No figure depends on which of them is which. Raises DataError if a subject has other numbers of clips of a class.
    """
    clips: dict[tuple[str, ...], list[str]] = {}
    for dataset, subject, clip, truth in known[[*IDENTITY, "truth"]].itertuples(index=False, name=None):
        clips.setdefault((dataset, subject, truth), []).append(clip)
    people: dict[tuple[str, ...], tuple[str, ...]] = {}
    for word in dict.fromkeys(zip(table.dataset, table.subject, strict=True)):
        spelled = {key[:2]: _spelled(spelling, *word, found[0]) for key, found in clips.items()}
        fitting = [person for person, clip in spelled.items() if clip is not None and clip[:2] == person]
        people[word] = fitting[0] if fitting else word
    classes, keys = protocol.classes, []
    for dataset, subject, word in zip(table.dataset, table.subject, table.truth, strict=True):
        number = number_of(word, classes)
        truth = word if number is None or not 0 <= number < len(classes) else classes[number]
        keys.append((*people[dataset, subject], truth))
    wrong = [f"{'/'.join(key)}: {keys.count(key)}, not {len(clips.get(key, ()))}"
             for key in sorted({*keys, *clips}) if keys.count(key) != len(clips.get(key, ()))]  # fmt: skip
    if wrong:
        raise DataError(
            f"{name} lacks the column clip, and a subject's numbers of clips of each class, by which clips could be "
            f"identified, differ from the known ones: {listed(wrong, most=3)}"
        )
    left = {key: iter(found) for key, found in clips.items()}
    return table.assign(clip=[next(left[key]) for key in keys])


def _from_names(table: pd.DataFrame, spelling: _Spelling, known: pd.DataFrame) -> pd.DataFrame:
    """Add dataset and subject of clips whose name only one of the known clips has."""
    tested = set(known[IDENTITY].itertuples(index=False, name=None))
    people = sorted({clip[:2] for clip in tested})
    joined = {_joined(clip[start:]): clip for start in (1, 0) for clip in tested}

    def fitting(row: dict[str, str]) -> Iterable[_Clip]:
        own = spelling.dataset(row["dataset"]) if "dataset" in row else None
        for dataset, subject in people:
            if own in (None, dataset):
                clip = _spelled(spelling, dataset, row.get("subject", subject), row["clip"])
                if clip in tested and clip is not None:
                    yield clip

    found: list[_Clip] = []
    lacking = [column for column in IDENTITY if column not in table.columns]
    for row in table.to_dict("records"):
        clips = sorted(set(fitting({str(column): word for column, word in row.items()})))
        if not clips and lacking == IDENTITY[:2] and (whole := joined.get(_joined([row["clip"]]))):
            clips = [whole]
        if len(clips) != 1:
            which = f" ({listed(map('/'.join, clips), most=3)})" if clips else ""
            raise DataError(
                f"{row['place']}: {len(clips)} clips of the protocol have the name {row['clip']!r}{which}: add "
                f"{'a column' if len(lacking) == 1 else 'columns'} {listed(lacking)}"
            )
        found += clips
    return table.assign(**dict(zip(IDENTITY, zip(*found, strict=True), strict=True))) if found else table


def _joined(names: Sequence[str]) -> str:
    """Return names joined by underscores, as in ``casme2_sub01_ep02_01f``."""
    return re.sub(r"[\W_]+", "_", "_".join(names).casefold())


def _with_zeros(spelled: dict[tuple[str, ...], _Clip], known: pd.DataFrame) -> dict[tuple[str, ...], _Clip]:
    """Add zeros to clips such as ``EP2_1f`` where that makes each a known clip that the log does not have otherwise."""

    def short(clip: _Clip) -> _Clip:
        return clip[0], clip[1], re.sub(r"(?<!\d)0+(?=\d)", "", clip[2])

    tested = set(known[IDENTITY].itertuples(index=False, name=None))
    lacking: dict[_Clip, list[_Clip]] = {}
    for clip in tested - set(spelled.values()):
        lacking.setdefault(short(clip), []).append(clip)

    def whole(clip: _Clip) -> _Clip:
        fits = [] if clip in tested else lacking.get(short(clip), [])
        return fits[0] if len(fits) == 1 else clip

    return {key: whole(clip) for key, clip in spelled.items()}


def _check_datasets(
    spelled: dict[tuple[str, ...], _Clip],
    table: pd.DataFrame,
    protocol: ProtocolSpec,
    spelling: _Spelling,
    known: pd.DataFrame | None,
) -> None:
    """Refuse a dataset that the protocol does not test, if its clips are those that one of the protocol's lacks."""
    own = set(spelled.values())
    for word in dict.fromkeys(key[0] for key, clip in spelled.items() if clip[0] not in protocol.tested):
        keys = [key for key in spelled if key[0] == word]
        for dataset in protocol.tested:
            clips = [_spelled(spelling, dataset, subject, clip) for _, subject, clip in keys]
            if known is not None:
                lacking = set(known[known.dataset == dataset][IDENTITY].itertuples(index=False, name=None)) - own
                fits = sum(clip in lacking for clip in clips) > len(clips) / 2
            else:
                formed = _spelled(spelling, dataset, "?", "?") is None
                there = {clip for clip in own if clip[0] == dataset}
                most = _expected_clips(protocol, dataset) if there else len(clips)
                fits = formed and None not in clips and not there & set(clips) and len(there) + len(clips) <= most
            if fits:
                place = table.place[table.dataset == word].iloc[0]
                raise DataError(
                    f"{place}: dataset {word[:60]!r} is not one of {listed(protocol.tested)}, but its clips are named "
                    f"like those of {dataset}: did you mean {dataset!r}?"
                )


def _expected_clips(protocol: ProtocolSpec, dataset: str) -> int:
    """Return how many clips of a dataset are expected, 0 if that is not known."""
    expected = protocol.expected
    if expected is None:
        return 0
    alone = expected.clips or sum(expected.classes.values()) if len(protocol.tested) == 1 else 0
    return expected.datasets.get(dataset, alone)


def check_each_once(
    table: pd.DataFrame, name: str, runs: Sequence[str], sets: Sequence[str]
) -> tuple[pd.DataFrame, int]:
    """Return each clip once, and how many rows were repeated; DataError for a clip with different classes.

    `runs` are names of columns that number several runs, `sets` of those that tell training clips from test clips: if
    clips are repeated under them, the log is refused.
    """
    by = [*IDENTITY, "epoch"] if "epoch" in table.columns else IDENTITY
    if not table[by].duplicated().any():
        return table, 0
    for column in runs:
        values = dict.fromkeys(table[column]) if column in table.columns else {}
        if len(values) > 1:
            raise DataError(f"{name} has several runs, {column} {listed(values)}: give each a log of its own")
    for column in sets:
        values = dict.fromkeys(table[column]) if column in table.columns else {}
        if len(values) > 1:
            raise DataError(f"{name} has clips under {column} {listed(values)}: keep the rows of the test clips")
    once = table[~table[[*by, "truth", "predicted"]].duplicated()]
    if (twice := once[by].duplicated()).any():
        names = dict.fromkeys("/".join(clip) for clip in once[twice][IDENTITY].itertuples(index=False, name=None))
        raise DataError(f"{name} has a clip twice, with different classes: {listed(names)}")
    return once.reset_index(drop=True), len(table) - len(once)
