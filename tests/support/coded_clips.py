"""Clips with action units, and answers on them."""

import numpy as np
import pandas as pd

CLASSES = ("negative", "positive", "surprise")
PEOPLE = [("alpha", f"s{i}") for i in range(4)] + [("beta", f"t{i}") for i in range(3)]


def coded_clips() -> tuple[pd.DataFrame, list[str]]:
    """Return the clip table of 7 people with 8 clips each, and their classes; clips of t2 have no action units."""
    rng = np.random.default_rng(0)
    rows = [(d, s, f"c{i}") for d, s in PEOPLE for i in range(8)]
    table = pd.DataFrame(rows, columns=["dataset", "subject", "clip"])
    table["aus"] = np.where(table.subject == "t2", "", rng.choice(["4", "12", "1+2", "R4+7"], len(table)))
    return table, [CLASSES[i % 3] if aus != "1+2" else "surprise" for i, aus in enumerate(table.aus)]


def answered(right: float, *seeds: int) -> dict[str, tuple[str, str]]:
    """Return truth and prediction of the clips, a share of them right."""
    table, classes = coded_clips()
    rng = np.random.default_rng([*seeds, int(100 * right)])
    said = np.where(rng.random(len(table)) < right, classes, rng.choice(CLASSES, len(table)))
    names = table[["dataset", "subject", "clip"]].agg("/".join, axis=1)
    return dict(zip(names, zip(classes, said.tolist(), strict=True), strict=True))
