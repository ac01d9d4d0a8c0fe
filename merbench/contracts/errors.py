"""Errors that a user can act on: one line that names the thing, what was expected and the next step."""

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from merbench.contracts.names import shown


class MerbenchError(Exception):
    """A problem with what the user gave; its text is one line, shown without a traceback.

    Attributes
    ----------
    exit_code : int
        What the command exits with: 2, wrong use.
    """

    exit_code = 2

    def __init__(self, message: str) -> None:
        super().__init__(shown(" ".join(line.strip() for line in message.splitlines())))


@contextmanager
def blaming(what: str) -> Iterator[None]:
    """Turn whatever a plug-in's code raises into one line that says whose it is; our own errors pass as they are."""
    try:
        yield
    except MerbenchError:
        raise
    except Exception as error:
        raise MerbenchError(f"{what} failed: {error!r}") from error


class UnknownNameError(MerbenchError):
    """A name that nothing is registered under."""


class DataError(MerbenchError):
    """Data on disk that is missing, incomplete or not what it claims to be."""


class RecordError(MerbenchError):
    """A record that does not verify: truncated, changed, foreign, or written by a later version."""


class SetupError(MerbenchError):
    """Settings that can't be met on this machine, whatever the fold: it ends the run rather than failing each fold."""


class PredictionError(ValueError):
    """A method returned something that is not a prediction for the clips it was given."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """Say what `name` may have been meant to be, as the tail of an error line.

    Parameters
    ----------
    name : str
        What the user wrote.
    known : iterable of str
        What would have been understood.

    Returns
    -------
    str
        ``" (did you mean 'ststnet'?)"``, or 20 known names where none is close, or ``""`` where none is known.
    """
    known = sorted(set(known))
    close = difflib.get_close_matches(name.lower(), known, n=2, cutoff=0.6)
    if close:
        return f" (did you mean {' or '.join(repr(c) for c in close)}?)"
    return f" (known: {listed(known, most=20)})" if known else ""


def listed(items: Iterable[object], most: int = 10) -> str:
    """Join items for an error line, naming at most `most` of them and counting the rest."""
    texts = [str(item) for item in items]
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more
