"""Errors as a user sees them: one line, from one call."""

from collections.abc import Callable
from typing import Any

import pytest

from merbench.contracts.errors import MerbenchError


def refusal(call: Callable[..., Any], *given: Any, case: object = "", error: type[Exception] = MerbenchError) -> str:
    """Return the one line with which ``call(*given)`` is refused; `case` names it where it is not refused."""
    line = None
    try:
        call(*given)
    except error as caught:
        line = str(caught)
    if line is None or "\n" in line:
        pytest.fail(f"{case}: {'accepted' if line is None else line}")
    return line
