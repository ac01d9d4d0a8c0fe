"""Decoupling of a method's features, measured on held-out subjects and independently of its losses.

Similarity of the two features (:mod:`merbench.scoring.alignment`); action unit information in each, and the method's
own detection of action units (:mod:`merbench.scoring.unit_scores`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from merbench.scoring.alignment import Alignment, Fold, pooled_cka
from merbench.scoring.unit_scores import UnitScores, au_detection, au_probe, names_of


@dataclass(frozen=True)
class Decoupling:
    """All measures computed from the diagnostics of a method.

    `alignment` of the two features, if there are exactly two; `probes` by feature, how well action units can be decoded
    from it; `detection` by the method's own action unit scores, if it has any.
    """

    alignment: Alignment | None
    probes: dict[str, UnitScores]
    detection: UnitScores | None


def decoupling(seeds: Sequence[Sequence[Fold]]) -> Decoupling:
    """Compute all three measures from the diagnostics of the folds, one list per seed."""
    features = names_of(seeds, "test/feature/")
    return Decoupling(
        pooled_cka(seeds, *features) if len(features) == 2 else None,
        {name: au_probe(seeds, name) for name in features},
        au_detection(seeds) if names_of(seeds, "test/au/") else None,
    )
