"""Errors for users: one line that names the thing, what was expected and the next step."""

import difflib
import errno
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from merbench.contracts.names import shown

T = TypeVar("T")


class MerbenchError(Exception):
    """An error in what the user gave; its text is one line, shown without a traceback."""

    exit_code = 2  #: of the command: wrong use

    def __init__(self, message: str) -> None:
        super().__init__(shown(" ".join(line.strip() for line in message.splitlines())))


class DataError(MerbenchError):
    """Data on disk that is missing, incomplete or not what was expected."""


class RecordError(MerbenchError):
    """A record that does not verify: truncated, changed, foreign, or written by a later version."""


class SetupError(MerbenchError):
    """Settings or packages that this machine lacks in every fold: the run ends, rather than failing in each of them."""


class PredictionError(ValueError):
    """The output of a method is not a valid prediction for the clips that it was given."""


@contextmanager
def blaming(what: str) -> Iterator[None]:
    """Convert any exception of a plug-in into one line that names the plug-in; a `MerbenchError` passes unchanged."""
    try:
        yield
    except MerbenchError:
        raise
    except Exception as error:
        raise MerbenchError(f"{what} failed: {readable(repr, error)}") from error


def readable(write: Callable[[BaseException], str], error: BaseException) -> str:
    """Write an error of a method or plug-in so that it can be shown and recorded, whatever its text is made of."""
    try:
        return write(error).encode("utf-8", "backslashreplace").decode()
    except KeyboardInterrupt:
        raise
    except BaseException as second:  # noqa: BLE001 - its own __str__ may raise anything
        return f"{type(error).__name__}, whose message can't be written: {type(second).__name__}"


class _TooSlow(BaseException):
    """Not an Exception, which the code that is too slow might catch."""


def within_time(call: Callable[[], T], seconds: float, what: str) -> T:
    """Return what a call returns; TimeoutError if it takes too long.

    In the main thread a signal interrupts it, also while it waits. In other threads, and on systems without such
    signals, it goes on in a thread of its own, which ends with the process.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        return _beside(call, seconds, what)

    def end(*_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.1)  # again, for code that catches everything
        raise _TooSlow

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return call()
    except _TooSlow:
        raise TimeoutError(f"{what} took more than {seconds:g} s") from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _beside(call: Callable[[], T], seconds: float, what: str) -> T:
    returned: list[T] = []
    raised: list[BaseException] = []

    def work() -> None:
        try:
            returned.append(call())
        except BaseException as error:  # noqa: BLE001 - the thread that waits raises it
            raised.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if raised:
        raise raised[0]
    if not returned:
        raise TimeoutError(f"{what} took more than {seconds:g} s")
    return returned[0]


#: What to do about an error in writing, where that is known.
_REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "free some space, or "),
    **dict.fromkeys((errno.EACCES, errno.EPERM), "make it writable, or "),
    **dict.fromkeys((errno.ENOTDIR, errno.EEXIST), "move away the file that is in place of a folder, or "),
    errno.EISDIR: "move away the folder that is in its place, or ",
}


def unwritable(path: object, error: OSError, instead: str) -> str:
    """Return the line for a file that can't be written; `instead` is what helps against any error."""
    return f"{path} can't be written ({error.strerror or error}): {_REMEDIES.get(error.errno or 0, '')}{instead}"


def suggestion(name: str, known: Iterable[str]) -> str:
    """Suggest which of the valid names `name` may have meant, as the end of an error line.

    ``" (did you mean 'ststnet'?)"``, or 20 valid names if none is similar, or ``""`` if there are none.
    """
    known = sorted(set(known))
    close = difflib.get_close_matches(name.lower(), known, n=2, cutoff=0.6)
    if close:
        return f" (did you mean {' or '.join(map(repr, close))}?)"
    return f" (known: {listed(known, most=20)})" if known else ""


def listed(items: Iterable[object], most: int = 10) -> str:
    """Join items for an error line: at most `most` of them, then the number of the others."""
    texts = [str(item) for item in items]
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more
