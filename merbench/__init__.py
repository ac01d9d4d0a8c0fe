"""merbench: a benchmark harness and leaderboard for micro-expression recognition (MER).

For notebooks and scripts, ``import merbench as mb`` offers :func:`clips`, :func:`protocol`, :func:`inputs`,
:func:`run`, :func:`score`, :func:`compare` and :func:`explain`, see :mod:`merbench.api`.

The running wing turns a database into a clip table, splits and prepared inputs, and the engine trains and tests
methods on them. It writes records, from which the reading wing computes scores, analyses and tables. Each room is a
sub-package; imports point towards :mod:`merbench.contracts`.
"""

from importlib import import_module
from typing import Any

__version__ = "0.2.0"

#: Name -> the module that has it. Imported on first use, and typed in ``__init__.pyi``.
_OFFERED = {
    **dict.fromkeys(("clips", "inputs"), "merbench.api.data"),
    "protocol": "merbench.api.protocols",
    **dict.fromkeys(("run", "score", "compare", "explain"), "merbench.api.results"),
    "MerbenchError": "merbench.contracts.errors",
}

__all__ = [*_OFFERED, "__version__"]


def __getattr__(name: str) -> Any:
    """Import what is offered when it is first used."""
    if name not in _OFFERED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_OFFERED[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_OFFERED})
