"""The classes of a log: names, or numbers in the protocol's order, shifted, or in another order."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from merbench.contracts.errors import DataError, listed
from merbench.contracts.protocols import ProtocolSpec

#: Words for a clip without a prediction, in addition to -1.
_MISSING = {"", "nan", "none", "null", "na", "n/a", "-", "?", "<na>"}
#: Two columns of classes are the same if they differ in at most this share of clips.
SAME = 0.95
#: Another order of class numbers is named if it fits so much larger a share of clips.
_FAR = 0.2

_NUMBER = re.compile(r"(-1|\+?[0-9]{1,4})(?:[.,]0*)?")
#: A number as ``numpy.savetxt`` writes it.
_EXPONENT = re.compile(r"[+-]?[0-9](?:\.[0-9]+)?e[+-]?[0-9]{1,2}", re.IGNORECASE)
#: What Python prints around a value.
_PRINTED = re.compile(r"(?:tensor|array|np\.\w+)\((.*?)(?:, *\w+=.*)?\)|[bu](?=['\"])")
#: A class by its name and its number.
_BOTH = re.compile(r"[0-9]+ *[:=-] *(\D+)|(?!(?:tensor|array)\()(\D+?) *[(:=] *[0-9]+\)?")


def cleaned(word: str, classes: Sequence[str]) -> str:
    """Return a word without quotes and brackets, as of a printed list, ``tensor(2)`` or ``positive (1)``."""
    if word.strip().lower() in classes:
        return word
    if both := _BOTH.fullmatch(word.strip()):
        word = both[1] or both[2]
    elif _EXPONENT.fullmatch(word.strip()) and float(word).is_integer():
        word = f"{float(word):.0f}"
    return _PRINTED.sub(r"\1", word.strip()).strip("[]()'\"` ")


def is_missing(word: str, classes: Sequence[str]) -> bool:
    """Say whether a word marks a clip without a class."""
    word = word.strip().lower()
    return word not in classes and (word in _MISSING or re.fullmatch(r"-1(\.0*)?", word) is not None)


def number_of(word: str, classes: Sequence[str]) -> int | None:
    """Return the number that a word is, ``1``, ``1.0`` or ``-1``; None for any other word, and for a class's name."""
    found = None if word.strip().lower() in classes else _NUMBER.fullmatch(word.strip())
    return int(found[1]) if found else None


class _ClassNumbers:
    """What the class numbers of a log mean: number -> class; `how` says by what it was found, empty if as expected."""

    def __init__(self, classes: Sequence[str], meaning: Mapping[int, str] | None = None, how: str = "") -> None:
        self.classes, self.how = classes, how
        self.meaning = dict(enumerate(classes)) if meaning is None else dict(meaning)

    def __call__(self, word: str) -> str | None:
        """Return the class that a word means; None if it means none."""
        name = word.strip().lower()
        if name in self.classes:
            return name
        short = [each for each in self.classes if len(name) > 1 and each.startswith(name)]
        if len(short) == 1:
            return short[0]
        number = number_of(word, self.classes)
        return None if number is None else self.meaning.get(number)

    def __str__(self) -> str:
        numbers, names = zip(*sorted(self.meaning.items()), strict=True)
        return f"the log's class numbers {', '.join(map(str, numbers))} are {', '.join(names)}"


def class_numbers(table: pd.DataFrame, protocol: ProtocolSpec, known: pd.Series | None, name: str) -> _ClassNumbers:
    """Find out what the class numbers of a log mean.

    `table` has the words of ``predicted`` and, unless the log has no truth, of ``truth``; `known` the true class of
    each row, None or missing where it is not known. Numbers are in the protocol's order unless the log's truth, or what
    is expected of its counts, fits another order, or all are from 1. Raises DataError where several would fit.
    """
    classes = protocol.classes
    predicted = _numbers(table.predicted, classes)
    truth = _numbers(table.truth, classes) if "truth" in table.columns else None
    if truth is None or not (truth == -1).any():  # else -1 is a class
        predicted = predicted.mask(predicted == -1)
    plain = _ClassNumbers(classes)
    if predicted.isna().all() and (truth is None or truth.isna().all()):
        return plain
    every = {int(number) for column in (truth, predicted) if column is not None for number in column.dropna().unique()}
    if truth is not None and known is not None and (truth.notna() & known.notna()).any():
        return _by_truth(truth, predicted, known, every, plain, name)
    if truth is not None and truth.notna().any():
        return _by_counts(truth, every, protocol, plain, name)
    worded = (predicted.isna() & ~table.predicted.map(lambda word: is_missing(word, classes))).any()
    return plain if worded else _from_one(every, plain) or _ClassNumbers(classes, how="the protocol's order")


def other_order(words: "pd.Series[str]", known: pd.Series, meaning: _ClassNumbers) -> str:
    """Say that another order of the class numbers fits the known classes far better; empty if none does."""
    numbers = _numbers(words, meaning.classes)
    both = numbers.notna() & known.notna()
    _, best, order = _best_order(numbers, known, _ClassNumbers(meaning.classes))
    if len(order) < len(meaning.classes) or not both.any():
        return ""
    right = float((numbers[both].map(meaning.meaning) == known[both]).mean())
    if best < right + _FAR:
        return ""
    names = ", ".join(order[number] for number in sorted(order))
    return f"read so, {right:.0%} of the predictions are right, as {names} {best:.0%}: if so meant, write names"


def _numbers(words: "pd.Series[str]", classes: Sequence[str]) -> pd.Series:
    numbers = {word: number_of(word, classes) for word in words.unique()}
    return words.map(numbers).astype("Int64")


def _from_one(every: set[int], plain: _ClassNumbers) -> _ClassNumbers | None:
    """Count classes from 1, if the numbers reach from above 0 to the number of classes."""
    if min(every) < 1 or max(every) != len(plain.classes):
        return None
    return _ClassNumbers(plain.classes, dict(enumerate(plain.classes, start=1)), "counted from 1")


def _by_truth(
    truth: pd.Series, predicted: pd.Series, known: pd.Series, every: set[int], plain: _ClassNumbers, name: str
) -> _ClassNumbers:
    fits, best, meaning = _best_order(truth, known, plain)
    if fits < SAME and best < SAME <= _best_order(predicted, known, plain)[1]:
        raise swapped(name)
    if fits >= SAME or fits >= best:
        return plain
    counted = ", ".join(f"{index} {each}" for index, each in enumerate(plain.classes))
    if best < SAME:
        raise DataError(
            f"{name}: the class numbers of its truth fit the known classes in no order (at most {best:.0%} of clips); "
            f"expected {counted}"
        )
    rest = sorted(every - set(meaning))
    shift = {number - plain.classes.index(each) for number, each in meaning.items()}
    free = [each for each in plain.classes if each not in meaning.values()]
    if len(shift) == 1 and all(0 <= number - min(shift) < len(plain.classes) for number in rest):
        meaning |= {number: plain.classes[number - min(shift)] for number in rest}
    elif len(rest) == len(free) == 1:
        meaning[rest[0]] = free[0]
    elif rest:
        raise DataError(
            f"{name}: its truth shows that {_said(meaning)}, but not what {listed(rest)} mean: write names of classes"
        )
    return _ClassNumbers(plain.classes, meaning, "by its truth")


def _best_order(numbers: pd.Series, known: pd.Series, plain: _ClassNumbers) -> tuple[float, float, dict[int, str]]:
    """Return the share of clips whose number fits the known class in the plain order, in the best one, and that one."""
    from scipy.optimize import linear_sum_assignment

    both = numbers.notna() & known.notna()
    if not both.any():
        return 0.0, 0.0, {}
    counts = pd.crosstab(numbers[both].astype(int), known[both]).reindex(columns=list(plain.classes), fill_value=0)
    found = counts.to_numpy()
    rows, columns = linear_sum_assignment(-found)
    meaning = {
        int(counts.index[row]): plain.classes[column]
        for row, column in zip(rows, columns, strict=True)
        if found[row, column]
    }
    fits = sum(found[row, number] for row, number in enumerate(counts.index) if number in plain.meaning)
    return fits / found.sum(), found[rows, columns].sum() / found.sum(), meaning


def _by_counts(
    truth: pd.Series, every: set[int], protocol: ProtocolSpec, plain: _ClassNumbers, name: str
) -> _ClassNumbers:
    expected = dict(protocol.expected.classes) if protocol.expected else {}
    counts = Counter(int(number) for number in truth.dropna())
    orders: npt.NDArray[np.bool_] = np.array([[counts[n] == expected.get(c) for c in plain.classes] for n in counts])
    if len(expected) == len(counts) == len(plain.classes) and orders.any(axis=1).all():
        own = all(counts[number] == expected.get(each) for number, each in plain.meaning.items())
        first = _from_one(every, plain)
        if own or (first and all(counts[number] == expected.get(each) for number, each in first.meaning.items())):
            return plain if own or first is None else first
        if (orders.sum(axis=1) > 1).any():
            raise DataError(f"{name}: its class numbers fit several orders of the classes: write names of classes")
        meaning = {number: plain.classes[int(row.argmax())] for number, row in zip(counts, orders, strict=True)}
        return _ClassNumbers(plain.classes, meaning, "by the number of clips of each")
    return _from_one(every, plain) or plain


def swapped(name: str, why: str = "its predictions are the true classes") -> DataError:
    """Return the error of a log whose predictions are the truth; `why` says how that is known."""
    return DataError(f"{name} has truth and prediction swapped: {why}; swap them back")


def _said(meaning: Mapping[int, str]) -> str:
    return ", ".join(f"{number} is {each}" for number, each in sorted(meaning.items()))
