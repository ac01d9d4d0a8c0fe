"""Runs held against the truth of their protocol, clip by clip, before they are scored: only these are ranked.

The caller hands in the truth of each run: the official list of its protocol, or the data of this machine split anew.
Results of a comparison are kept by the checksums of what was compared, so that predictions are read once.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from merbench.contracts.clips import IDENTITY, clip_names
from merbench.contracts.digests import digest
from merbench.contracts.errors import MerbenchError, listed, readable
from merbench.contracts.names import shown
from merbench.records.files import write_whole
from merbench.records.model import UNKNOWN, UNSEEN, RunFile
from merbench.records.predictions import with_truth
from merbench.records.read import RecordedRun
from merbench.records.select import Runs
from merbench.records.truth import Truth, against, labelled

#: Incremented when what is compared changes: results of earlier comparisons are then not used.
VERSION = 2
#: So many runs keep their predictions, which are read again for scoring otherwise: some 0.2 MB each.
_KEPT = 300
#: How many clips or folds a message names.
_MOST = 3


#: Returns the truth of a run, or why there is none and the next step.
TruthOf = Callable[[RunFile], Truth | str]


class HeldRun(RecordedRun):
    """A run whose clips, labels and folds are those of its protocol; see :func:`hold`."""

    origin_of_truth: str


class _NotHeld(RecordedRun):
    """A run with whose clips and labels nothing could be compared, and why."""

    why: str


_Run = TypeVar("_Run", bound=RecordedRun)


def hold(run: RecordedRun, truth: Truth | str, cache: Path | None = None) -> tuple[RecordedRun, str]:
    """Compare a run with its truth: its clips, their labels and folds, and who is trained on.

    Returns a :class:`HeldRun`, or a run that is not ranked where the truth is unknown; and in a line how the run
    differs, empty if it does not. `cache` is a folder that keeps which runs agree.
    """
    if found := list(_contradictions(run)):
        return run, f"{run.file.run_id}: run.json contradicts itself: {'; '.join(found)}"
    if isinstance(truth, str):
        unheld = _same_as(run, _NotHeld(run.file, run.place, run.asked))
        unheld.why = truth
        return unheld, ""
    kept = _place(run, truth, cache)
    if kept is None or not kept.exists():
        if found := list(_differences(run, truth)):
            return run, f"{run.file.run_id} differs from {truth.origin}: {'; '.join(found)}"
        if kept is not None and run.mark is not None:
            with suppress(MerbenchError):
                write_whole(kept, b"")
    held = _same_as(run, HeldRun(run.file, run.place, run.asked))
    titles = {
        name: truth.parts[name] or title for name, title in run.file.parts.items()
    }  # the protocol's, not the run's
    held.file = run.file.model_copy(update={"parts": titles})
    held.origin_of_truth = truth.origin
    return held, ""


def hold_all(runs: Runs, truth_of: TruthOf, cache: Path | None = None) -> Runs:
    """Hold every run; those that differ from their truth are excluded and named in `problems`, a line each."""
    kept: list[RecordedRun] = []
    differing = []
    for run in runs:
        try:
            found, difference = hold(run, truth_of(run.file), cache)
        except Exception as error:  # noqa: BLE001 - whatever is in one run, the others are compared
            found, difference = run, shown(f"{run.file.run_id} can't be compared: {readable(repr, error)}")
        if difference or len(kept) >= _KEPT:
            found.forget()
        if difference:
            differing.append(difference)
        else:
            kept.append(found)
    return Runs(kept, [*runs.problems, *differing])


def why_not_held(runs: Iterable[RecordedRun]) -> str:
    """Say why not all runs are held; empty if they are."""
    reasons = [getattr(run, "why", "nothing was handed in") for run in runs if not isinstance(run, HeldRun)]
    return listed(dict.fromkeys(reasons), most=1)


def _same_as(run: RecordedRun, other: _Run) -> _Run:
    """Let `other` have what was read of `run` already."""
    other.__dict__ |= run.__dict__
    return other


def _place(run: RecordedRun, truth: Truth, cache: Path | None) -> Path | None:
    """Return the file that says that a whole run agrees with a truth: a name of both, without content."""
    if cache is None or run.mark is None:
        return None
    file = run.file
    key = file.key
    compared = [key.split_digest, key.data_digest, file.data, file.task, file.outputs, list(file.parts), file.folds]
    return cache / digest([VERSION, run.mark.sha256, compared, truth.digest])


def _contradictions(run: RecordedRun) -> Iterator[str]:
    """Say what can't be true of any run: an id that is not that of the key, or less disclosed than the key says."""
    file, key = run.file, run.file.key
    name = "" if file.imported else file.method
    ending = f"-{file.protocol}{'-shuffled' * key.shuffled}-s{key.seed}-{run.key_digest[:10]}"
    if not file.run_id.endswith(ending) or (name and file.run_id != name + ending):
        yield f"the run of its key is called {name or 'NAME'}{ending}"
    if file.method != key.method:
        yield f"its method is {file.method}, the key's is {key.method}"
    if key.shuffled and not file.sanity:
        yield "its labels were shuffled, so it is a sanity row"
    if not file.imported and (key.selection == UNKNOWN or UNSEEN in file.disclosures):
        yield "its training was not seen, so it is imported"
    said = " ".join(file.disclosures)
    for words, so in {
        "transductive": key.transductive,
        "AU labels at test": key.au_labels_at_test,
        "pretrained on": any(":" in name for name in key.input_digests),
    }.items():
        if so and words not in said:
            yield f"its key says {words!r}, its disclosures do not"


def _differences(run: RecordedRun, truth: Truth) -> Iterator[str]:
    file = run.file
    if (known := truth.data.get(file.data, file.key.data_digest)) != file.key.data_digest:
        yield f"its annotations are not those of {file.data} ({file.key.data_digest[:8]}, not {known[:8]})"
    if tuple(file.outputs) != truth.outputs:
        yield f"its classes are {listed(file.outputs)}, not {listed(truth.outputs)}"
    if set(file.parts) != set(truth.parts):
        yield f"its parts are {listed(file.parts)}, not {listed(truth.parts)}"
    numbers = {
        name: (file.folds.get(name, 0), truth.folds.get(name, 0)) for name in sorted({*file.folds, *truth.folds})
    }
    folds = [f"{name} ({clips}, not {expected})" for name, (clips, expected) in numbers.items() if clips != expected]
    if folds:
        yield f"{len(folds)} folds have other numbers of clips: {listed(folds, _MOST)}"
    found = list(_differing_clips(run, truth))
    yield from found
    if not found and not folds and file.key.split_digest != truth.split_digest:
        yield (
            "its clips and labels agree, but not who is trained on in each fold "
            f"(split {file.key.split_digest[:8]}, not {truth.split_digest[:8]})"
        )


def _differing_clips(run: RecordedRun, truth: Truth) -> Iterator[str]:
    """Name clips that are foreign, missing or labelled otherwise; of a run with missing folds, in the recorded ones."""
    table = with_truth(run.predictions)[[*IDENTITY, "truth"]]
    if run.mark is not None and labelled(table) == truth.rows:
        return
    both = against(table, truth.clips)
    missing, foreign, other = (both.side == side for side in ("missing", "foreign", "relabelled"))
    if run.mark is None:
        recorded = set(both[~missing & ~foreign].fold_listed)
        missing &= both.fold_listed.isin(recorded)
        if not foreign.any() and not missing.any() and len(recorded) != run.folds:
            yield f"{run.folds} folds are recorded, its clips are those of {len(recorded)}"
    if foreign.any():
        yield f"{foreign.sum()} clips that it does not have: {listed(clip_names(both[foreign]), _MOST)}"
    if missing.any():
        yield f"{missing.sum()} of {len(truth.clips)} clips are missing: {listed(clip_names(both[missing]), _MOST)}"
    if other.any():
        wrong = both[other]
        named = [
            f"{name} ({said}, not {label})"
            for name, said, label in zip(clip_names(wrong[:_MOST]), wrong.truth, wrong.truth_listed, strict=False)
        ]
        more = f" and {len(wrong) - _MOST} more" if len(wrong) > _MOST else ""
        yield f"other labels of {len(wrong)} clips: {', '.join(named)}{more}"
