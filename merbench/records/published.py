"""Published figures: one tidy table with sources, and remarks on figures that are not comparable or not possible.

``results/published/figures.csv`` has a row per figure; ``remarks`` are codes, blank-separated, explained in
``remarks.yaml``. None is ranked with measured figures.
"""

from functools import cache
from importlib.resources import files

import pandas as pd
import yaml


@cache
def published() -> tuple[pd.DataFrame, dict[str, str]]:
    """Read the table that merbench ships, and the sentence that explains each remark's code.

    The columns are ``protocol, part, method, year, kind, acc, uf1, uar, source, remarks``; figures are in 0..1, NaN if
    not published.
    """
    folder = files("merbench.results") / "published"
    with (folder / "figures.csv").open(encoding="utf-8") as file:
        figures = pd.read_csv(file).astype({"year": "Int64"})
    figures["remarks"] = figures.remarks.fillna("")
    return figures, yaml.safe_load((folder / "remarks.yaml").read_text(encoding="utf-8"))
