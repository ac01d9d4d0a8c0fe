"""Weights that a library downloads: a machine that can't gets one clear line."""

from collections.abc import Callable
from typing import TypeVar

from merbench.contracts.errors import SetupError

Made = TypeVar("Made")


def downloaded(name: str, instead: str, make: Callable[[], Made]) -> Made:
    """Make a model whose weights are downloaded.

    Parameters
    ----------
    name : str
        Of the model, as the library calls it.
    instead : str
        The setting that does without.
    make : callable
        Makes it, by timm say.

    Raises
    ------
    SetupError
        The model is unknown, or its weights can't be had from here.
    """
    try:
        return make()
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise SetupError(
            f"the weights of {name} can't be had ({reason}): download them on a machine with access to the model hub "
            f"into its cache, or set {instead}"
        ) from error
