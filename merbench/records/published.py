"""Published figures: one tidy table with sources, and remarks on figures that are not comparable or not possible.

``results/published/figures.csv`` has a row per figure: ``protocol, part, method, year, kind, acc, uf1, uar, source,
remarks``; ``remarks`` are codes, blank-separated, explained in ``remarks.yaml``. None is ranked with measured figures.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import pandas as pd
import yaml

FIGURES = ["protocol", "part", "method", "year", "kind", "acc", "uf1", "uar", "source", "remarks"]


@dataclass(frozen=True)
class Published:
    """All published figures.

    Attributes
    ----------
    figures : DataFrame
        Columns of `FIGURES`; figures in 0..1, NaN if not published.
    remarks : dict of str to str
        Code -> explanation, in a sentence.
    """

    figures: pd.DataFrame
    remarks: dict[str, str]


@cache
def published() -> Published:
    """Read the table that merbench ships."""
    folder = files("merbench.results") / "published"
    with (folder / "figures.csv").open(encoding="utf-8") as file:
        figures = pd.read_csv(file).astype({"year": "Int64"})
    figures["remarks"] = figures.remarks.fillna("")
    return Published(figures, yaml.safe_load((folder / "remarks.yaml").read_text(encoding="utf-8")))
