"""Weights that a library downloads: a failed download is reported in one line."""

from collections.abc import Callable
from typing import TypeVar

from merbench.contracts.errors import SetupError

Made = TypeVar("Made")


def downloaded(name: str, instead: str, make: Callable[[], Made]) -> Made:
    """Make a model whose weights are downloaded.

    Parameters
    ----------
    name : str
        Of the model, in the library.
    instead : str
        The setting that needs no download.
    make : callable
        Makes it, for example by timm.

    Raises
    ------
    SetupError
        The model is unknown, or its weights can't be downloaded.
    """
    try:
        return make()
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise SetupError(
            f"the weights of {name} can't be downloaded ({reason}): download them on a machine with access to "
            f"the model hub into its cache, or set {instead}"
        ) from error
