"""Published figures: one tidy table with sources and remarks, and what arithmetic says of each figure.

``results/published/figures.csv`` has a row per figure; ``remarks`` are codes, blank-separated, explained in
``remarks.yaml``. ``claims.csv`` has the verdict on each row with its evidence, ``excluded.csv`` the collected figures
that fit no shipped protocol, with the reason. None is ranked with measured figures.
"""

import csv
from functools import cache
from importlib.resources import files

import pandas as pd
import yaml

_FOLDER = files("merbench.results") / "published"
#: What names a published figure.
KEY = ("protocol", "part", "method", "kind")


@cache
def published() -> tuple[pd.DataFrame, dict[str, str]]:
    """Read the table that merbench ships, and the sentence that explains each remark's code.

    The columns are ``protocol, part, method, year, kind, acc, uf1, uar, source, remarks``; figures are in 0..1, NaN if
    not published.
    """
    with (_FOLDER / "figures.csv").open(encoding="utf-8") as file:
        figures = pd.read_csv(file).astype({"year": "Int64"})
    figures["remarks"] = figures.remarks.fillna("")
    return figures, yaml.safe_load((_FOLDER / "remarks.yaml").read_text(encoding="utf-8"))


@cache
def printed() -> dict[tuple[str, ...], dict[str, str]]:
    """Return the rows of the table as text, figures with the digits that the source prints, by `KEY`."""
    with (_FOLDER / "figures.csv").open(encoding="utf-8") as file:
        return {tuple(row[name] for name in KEY): row for row in csv.DictReader(file)}


@cache
def claims() -> dict[tuple[str, ...], dict[str, str]]:
    """Read the verdict on each published figure, by `KEY`; all values as text.

    The other columns are the figures as printed, ``uf1, uar, acc``; ``verdict`` (possible, impossible,
    undecided, not checked) and, if it was not checked, the ``reason``; ``counts``, the clips of each class; and the
    evidence, see :mod:`merbench.analysis.claims.published`.
    """
    with (_FOLDER / "claims.csv").open(encoding="utf-8") as file:
        return {tuple(row[name] for name in KEY): row for row in csv.DictReader(file)}
