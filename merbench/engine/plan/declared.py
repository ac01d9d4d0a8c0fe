"""The declared rows of the leaderboard, checked against the registered methods."""

from merbench.contracts.errors import MerbenchError, suggestion
from merbench.engine.plan.catalogue import METHODS, method_card
from merbench.records.declared import Declared, read_declared


def declared() -> Declared:
    """Return the declared rows; MerbenchError names one of an unknown method or configuration, or of a sanity row."""
    found = read_declared()
    for name in found.primary:
        method, _, config = name.partition(":")
        try:
            card = method_card(METHODS.entry(method))
        except MerbenchError as error:
            raise MerbenchError(f"results/declared.yaml, primary: {error}") from error
        if (config or "default") not in card.configurations:
            hint = suggestion(config or "default", card.configurations)
            raise MerbenchError(
                f"results/declared.yaml, primary: {method} has no configuration {config or 'default'!r}{hint}"
            )
        if card.sanity:
            raise MerbenchError(f"results/declared.yaml, primary: {name} is a sanity row, which is never ranked")
    return found
