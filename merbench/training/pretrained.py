"""Weights that a library downloads: a failed download is reported in one line."""

from collections.abc import Callable
from typing import Any

from merbench.contracts.errors import SetupError


def downloaded(name: str, instead: str, make: Callable[[], Any]) -> Any:
    """Make a model whose weights are downloaded, for example by timm; a failure is a `SetupError` in one line.

    `name` is the model's in the library, `instead` the setting that needs no download.
    """
    try:
        return make()
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise SetupError(
            f"the weights of {name} can't be downloaded ({reason}): download them on a machine with access to "
            f"the model hub into its cache, or set {instead}"
        ) from error
