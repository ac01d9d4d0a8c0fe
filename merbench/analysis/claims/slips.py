"""Named slips: other computations that would give the figures of an impossible claim.

A slip fits where some confusion matrix, so computed, gives the figures as printed. How much that says depends on how
often the slip rescues random false figures near by: one that rescues more than :data:`MOST` is compatible with the
figures and no explanation of them. Those that need all column sums are listed for three classes
(:mod:`.three_classes`); for more, a search without an answer is undecided (:mod:`.many_classes`).
"""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import combinations, product
from typing import NamedTuple

import numpy as np

from merbench.analysis.claims.claim import READINGS, Claim, is_possible
from merbench.analysis.claims.fold_means import means_over_folds
from merbench.analysis.claims.many_classes import (
    f1_of_means_of_many,
    linear_of_many,
    mean_over_runs_of_many,
    over_predicted_of_many,
)
from merbench.analysis.claims.matrices import Counts, Deadline, Span, deadline_in, find_matrix
from merbench.analysis.claims.scores import ACCURACY, F1, PRECISION, RECALL, WEIGHTED_F1, Fits
from merbench.analysis.claims.three_classes import (
    f1_of_means,
    linear,
    mean_over_runs,
    outside_the_classes,
    over_predicted_classes,
)

#: A slip that rescues a larger share of random false figures explains nothing.
MOST = 0.05
#: Random false figures: so many (fewer than half of them say nothing), each figure moved by at most so much.
TRIALS, _MOVED = 40, 0.1
_SECONDS, _SECONDS_FOR_RATE = 2.0, 3.0
#: Clip counts near by differ by at most so many clips in all; the number of clips of an accuracy by so many.
_CLIPS_NEAR, _CLIPS_OF_ACCURACY = 2, 10
#: With more clips there are too many column sums.
_MOST_CLIPS = 1000


class Slip(NamedTuple):
    """A slip tried on a claim: whether it fits (None: not decided), and how often it rescues false figures."""

    name: str
    fits: bool | None
    rescued: int = 0
    trials: int = 0

    @property
    def word(self) -> str:
        """``fits``, ``compatible`` (as with most figures, or not known), ``does not fit`` or ``undecided``."""
        if self.fits is None:
            return "undecided"
        if not self.fits:
            return "does not fit"
        return "fits" if 2 * self.trials >= TRIALS and self.rescued <= MOST * self.trials else "compatible"


def try_slips(
    claim: Claim,
    parts: Mapping[str, Mapping[str, int]] | None = None,
    readings: Sequence[str] = READINGS,
    trials: int = TRIALS,
    variants: Mapping[str, Mapping[str, int]] | None = None,
    beside: Sequence[Claim] = (),
    folds: Sequence[Counts] = (),
) -> list[Slip]:
    """Try every slip that applies to a claim that is impossible in some readings, and read it in the same ways.

    `parts` are the class counts of the parts of its protocol, `variants` those of other protocols on the same databases
    with as many classes; `trials` how many false figures are drawn. `beside` are the claims of the method on each part,
    for a claim on all clips; `folds` the clips of each class in each fold, where they are known.
    """
    false = _false_figures(claim, readings, trials)
    slips = [*_slips(claim), *_other_clips(claim, parts or {}, variants or {}), *_of_parts(claim, beside)]
    if "acc" in claim.printed and folds:
        slips.append(("accuracy as a mean over folds", _mean_over_folds([sum(fold) for fold in folds])))
    if "uf1" in claim.printed and len(claim.printed) > 1 and folds:
        slips.append(("all figures as means over folds", means_over_folds(folds)))
    return [_tried(name, fits, claim, false, readings) for name, fits in slips]


def _tried(name: str, fits: Fits, claim: Claim, false: Sequence[Claim], readings: Sequence[str]) -> Slip:
    answer = _fit(fits, claim, readings, deadline_in(_SECONDS))
    if not answer:
        return Slip(name, answer)
    deadline, rescued, trials = deadline_in(_SECONDS_FOR_RATE), 0, 0
    for other in false:
        found = _fit(fits, other, readings, deadline)
        if found is None:
            break
        rescued, trials = rescued + found, trials + 1
    return Slip(name, True, rescued, trials)


def _fit(fits: Fits, claim: Claim, readings: Sequence[str], deadline: Deadline) -> bool | None:
    try:
        return any(fits(claim, reading, deadline) for reading in readings)
    except TimeoutError:
        return None


def _false_figures(claim: Claim, readings: Sequence[str], trials: int) -> list[Claim]:
    """Draw impossible figures near the claim, with as many digits; the same ones every time."""
    rng, found, deadline = np.random.default_rng(sum(claim.sizes)), list[Claim](), deadline_in(_SECONDS_FOR_RATE)
    for _ in range(10 * trials):
        printed = {}
        for name, (value, digits) in claim.printed.items():
            unit = 10**digits
            moved = int(value * unit) + int(rng.integers(-int(_MOVED * unit), int(_MOVED * unit) + 1))
            printed[name] = (Fraction(min(max(moved, 0), unit), unit), digits)
        other = Claim(claim.counts, printed)
        if is_possible(other, 0.5, readings) is False:
            found.append(other)
        try:
            deadline()
        except TimeoutError:
            break
        if len(found) == trials:
            break
    return found


def _slips(claim: Claim) -> Iterator[tuple[str, Fits]]:
    both, three = {"uf1", "uar"} <= set(claim.printed), len(claim.sizes) == 3
    searched = sum(claim.sizes) <= _MOST_CLIPS
    scores = linear if three else linear_of_many
    if both:
        yield "UF1 and UAR exchanged", _exchanged
        yield "accuracy in place of UAR", _accuracy_as_uar
    if both and searched:
        yield "macro precision in place of UAR", scores(uf1=F1, uar=PRECISION)
        yield (
            "F1 of mean precision and mean recall in place of UF1",
            f1_of_means if three else f1_of_means_of_many,
        )
        yield "weighted F1 and accuracy in place of UF1 and UAR", scores(uf1=WEIGHTED_F1, uar=ACCURACY)
    if "uf1" in claim.printed and len(claim.printed) > 1 and searched:
        yield "weighted F1 in place of UF1", scores(uf1=WEIGHTED_F1, uar=RECALL)
        yield "mean over runs or seeds", mean_over_runs if three else mean_over_runs_of_many
        yield "predictions of a class that the protocol does not have", outside_the_classes
        yield (
            "mean over the classes that are predicted, and one is not",
            over_predicted_classes if three else over_predicted_of_many,
        )
    if "uf1" in claim.printed:
        yield "mean over one more class, without clips", _one_more_class
    yield "a last digit off by one", _last_digit


def _other_clips(
    claim: Claim, parts: Mapping[str, Mapping[str, int]], variants: Mapping[str, Mapping[str, int]]
) -> Iterator[tuple[str, Fits]]:
    yield f"other clip counts, by at most {_CLIPS_NEAR} clips", _near_counts
    if "acc" in claim.printed:
        yield f"accuracy of another number of clips, by at most {_CLIPS_OF_ACCURACY}", _accuracy_of_others
    for part, counts in parts.items():
        if tuple(counts.values()) != claim.sizes:
            yield f"the figures of part {part}", _other_counts(tuple(counts.values()))
    for name, counts in variants.items():
        yield f"the clips of {name}", _other_counts(tuple(counts.values()))


def _of_parts(claim: Claim, beside: Sequence[Claim]) -> Iterator[tuple[str, Fits]]:
    """Try figures of all clips that are means of the printed figures of the parts."""
    if len(beside) > 1 and all(set(claim.printed) <= set(part.printed) for part in beside):
        clips = [sum(part.sizes) for part in beside]
        for name, weights in (("mean", [1] * len(beside)), ("mean, weighted by clips,", clips)):
            yield f"{name} of the printed figures of the parts", _mean_of_parts(beside, weights)


def _mean_of_parts(beside: Sequence[Claim], weights: Sequence[int]) -> Fits:
    def fits(claim: Claim, reading: str, _: Deadline) -> bool:
        of_parts = {
            name: sum((w * part.printed[name][0] for w, part in zip(weights, beside, strict=True)), Fraction(0))
            for name in claim.printed
        }
        return all(span.holds(of_parts[name] / sum(weights)) for name, span in claim.spans(reading).items())

    return fits


def _exchanged(claim: Claim, reading: str, deadline: Deadline) -> bool:
    spans = claim.spans(reading)
    spans["uf1"], spans["uar"] = spans["uar"], spans["uf1"]
    return find_matrix(claim.sizes, spans, deadline) is not None


def _last_digit(claim: Claim, reading: str, deadline: Deadline) -> bool:
    """Try one figure up or down by one last digit, as from means of rounded scores."""
    moved = (claim.spans(reading, {name: step}) for name in claim.printed for step in (-1, 1))
    return any(find_matrix(claim.sizes, spans, deadline) is not None for spans in moved)


def _accuracy_as_uar(claim: Claim, reading: str, deadline: Deadline) -> bool:
    spans = claim.spans(reading)
    as_accuracy = _common(spans.pop("uar"), spans.get("acc"))
    return as_accuracy is not None and find_matrix(claim.sizes, spans | {"acc": as_accuracy}, deadline) is not None


def _common(one: Span, two: Span | None) -> Span | None:
    if two is None:
        return one
    low, high = max(one.low, two.low), min(one.high, two.high)
    return Span(low, high) if low <= high else None


def _one_more_class(claim: Claim, reading: str, deadline: Deadline) -> bool:
    """Try means that are divided by one class more than there are."""
    grown, spans = Fraction(len(claim.sizes) + 1, len(claim.sizes)), claim.spans(reading)
    more = {name: Span(span.low * grown, span.high * grown) if name != "acc" else span for name, span in spans.items()}
    return find_matrix(claim.sizes, more, deadline) is not None


def _other_counts(counts: Counts) -> Fits:
    return lambda claim, reading, deadline: find_matrix(counts, claim.spans(reading), deadline) is not None


def _near_counts(claim: Claim, reading: str, deadline: Deadline) -> bool:
    moves = product(range(-_CLIPS_NEAR, _CLIPS_NEAR + 1), repeat=len(claim.sizes))
    for move in sorted(moves, key=lambda each: sum(map(abs, each))):
        counts = [n + more for n, more in zip(claim.sizes, move, strict=True)]
        if 0 < sum(map(abs, move)) <= _CLIPS_NEAR and min(counts) > 0:
            deadline()
            if find_matrix(counts, claim.spans(reading), deadline) is not None:
                return True
    return False


def _accuracy_of_others(claim: Claim, reading: str, deadline: Deadline) -> bool:
    """Try an accuracy that is a number of right clips out of another number of clips; the others as they are."""
    spans, total = claim.spans(reading), sum(claim.sizes)
    acc = spans.pop("acc")
    near = (n for n in range(max(1, total - _CLIPS_OF_ACCURACY), total + _CLIPS_OF_ACCURACY + 1) if n != total)
    fits = any(acc.low * n <= round((acc.low + acc.high) / 2 * n) <= acc.high * n for n in near)
    return fits and (not spans or find_matrix(claim.sizes, spans, deadline) is not None)


def _mean_over_folds(folds: Sequence[int]) -> Fits:
    """Try an accuracy that is the mean of those of the folds; the others are pooled.

    From about the same accuracy in every fold, the right clips of any two are changed: TimeoutError if that is not
    enough to say.
    """

    def fits(claim: Claim, reading: str, deadline: Deadline) -> bool:
        spans = claim.spans(reading)
        acc = spans.pop("acc")
        if spans and find_matrix(claim.sizes, spans, deadline) is None:
            return False
        ends, middle = Span(acc.low * len(folds), acc.high * len(folds)), (acc.low + acc.high) / 2
        right = [min(round(middle * n), n) for n in folds]
        start = sum((Fraction(k, n) for k, n in zip(right, folds, strict=True)), Fraction(0))
        for one, two in combinations(range(len(folds)), 2):
            deadline()
            moves = np.add.outer(*(np.arange(-right[k], folds[k] - right[k] + 1) / folds[k] for k in (one, two)))
            near = np.argwhere(np.abs(moves + float(start - middle * len(folds))) < float(ends.high - ends.low))
            for a, b in (near - [right[one], right[two]]).tolist():
                if ends.holds(start + Fraction(a, folds[one]) + Fraction(b, folds[two])):
                    return True
        if len(folds) > 2:
            raise TimeoutError
        return False

    return fits
