"""How far a method's features keep apart, measured on held-out subjects by something that is not its loss.

Do the two features tell the same (:mod:`merbench.scoring.alignment`)? What does each still tell of action units, and
does the method find action units itself (:mod:`merbench.scoring.unit_scores`)?
"""

from collections.abc import Sequence
from dataclasses import dataclass

from merbench.scoring.alignment import Alignment, Fold, pooled_cka
from merbench.scoring.unit_scores import UnitScores, au_detection, au_probe, names_of


@dataclass(frozen=True)
class Decoupling:
    """All that can be said of a method's diagnostics.

    Attributes
    ----------
    alignment : Alignment, optional
        Of the two features, where there are exactly two.
    probes : dict of str to UnitScores
        Feature -> how well action units can be read off it.
    detection : UnitScores, optional
        Of the method's own scores of action units, where it gives any.
    """

    alignment: Alignment | None
    probes: dict[str, UnitScores]
    detection: UnitScores | None


def decoupling(seeds: Sequence[Sequence[Fold]]) -> Decoupling:
    """Ask all three questions.

    Parameters
    ----------
    seeds : sequence of sequence of mapping
        The folds' diagnostics, a list a seed.
    """
    features = names_of(seeds, "test/feature/")
    return Decoupling(
        pooled_cka(seeds, *features) if len(features) == 2 else None,
        {name: au_probe(seeds, name) for name in features},
        au_detection(seeds) if names_of(seeds, "test/au/") else None,
    )
