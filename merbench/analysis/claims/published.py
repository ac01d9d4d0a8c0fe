"""Published figures as rows of a table, each with the verdict of arithmetic on it, short and whole.

The evidence is in ``results/published/claims.csv``: for a possible claim ``matrix``, an example (rows true,
separated by ``/``), its ``reading`` and the ``power`` of the check; for an impossible one the ``nearest`` possible
value of each figure, the figures that are not possible ``alone``, protocols ``elsewhere`` with whose class counts the
figures are possible, and the slips that were tried.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from merbench.analysis.claims.claim import FIGURES
from merbench.analysis.rows import ordered
from merbench.records.published import KEY, claims, printed, published

#: What the words of a verdict mean.
VERDICTS = {
    "possible": "some confusion matrix with the protocol's class counts gives the figures, which does not confirm them",
    "impossible": "none does, so the figures, the class counts or the computation are others; that the clips are the "
    "protocol's is an assumption where the source does not state them",
    "undecided": "the search ended without an answer",
    "not checked": "class counts or computation are not those of one pooled confusion matrix, or are not known",
}
#: The remark on a source that does not state its clips, and what the evidence then adds.
_NOT_STATED = "clips-not-stated"
_ASSUMED = "The source does not state its clips: that they are the protocol's is assumed."


def published_rows(protocol: str, task: str = "classification") -> list[dict[str, Any]]:
    """Return the published figures of a protocol as objects with the keys of `FIELDS`, and what only they have.

    That is ``year, kind, source, remarks`` (code -> sentence), the figures as the source prints them
    (``uf1_printed, uar_printed, acc_printed``), and the ``verdict`` on them in a word or three, with its ``evidence``
    in sentences.
    """
    figures, remarks = published()
    found = []
    for figure in figures[figures.protocol == protocol].to_dict("records"):
        key = tuple(str(figure[name]) for name in KEY)
        short, whole = verdict(key)
        assumed = _NOT_STATED in figure["remarks"].split() and short != "not checked"
        found.append(ordered({
            "method": figure["method"], "protocol": protocol, "task": task, "synthetic": False,
            "part": figure["part"], "origin": "published", "status": "complete", "run_ids": [], "sanity": False,
            **{name: None if pd.isna(figure[name]) else float(figure[name]) for name in FIGURES},
            "year": None if pd.isna(figure["year"]) else int(figure["year"]), "kind": figure["kind"],
            "source": figure["source"], "remarks": {code: remarks[code] for code in figure["remarks"].split()},
            **{f"{name}_printed": _short(printed()[key][name]) for name in FIGURES},
            "verdict": short, "evidence": f"{whole} {_ASSUMED}" if assumed else whole,
        }))  # fmt: skip
    return found


def verdict(key: tuple[str, ...]) -> tuple[str, str]:
    """Return the verdict on a published figure, by `KEY`: in a word or three, and in sentences with the evidence."""
    row = claims().get(key)
    if row is None:
        return "not checked", "Not checked."
    short = row["verdict"] + (" if truncated" if row["reading"] == "truncated" else "")
    short += f" (possible for {row['elsewhere'].replace(' ', ', ')})" if row["elsewhere"] and not row["reading"] else ""
    said = {"possible": _possible, "impossible": _impossible, "undecided": _undecided}.get(row["verdict"], _unchecked)
    return short, " ".join([*said(row), *_beside_others(row)])


def _short(text: str) -> str:
    """Write a figure as printed, without the leading zero."""
    return text.removeprefix("0") if text.startswith("0.") else text


def _clips(row: Mapping[str, str]) -> str:
    counts = row["counts"].split()
    return f"{sum(map(int, counts))} clips ({', '.join(counts)} by class)"


def _possible(row: Mapping[str, str]) -> list[str]:
    read = {"rounded": "", "truncated": ", if the figures are truncated and not rounded"}[row["reading"]]
    said = [f"Possible as one pooled confusion matrix of {_clips(row)}{read}."]
    if row["power"]:
        said.append(f"Of {row['neighbours']} neighbouring figures, {100 * float(row['power']):.0f} % are possible too.")
    said += [f"Computations that fit them as rounded: {row['fits']}."] * bool(row["fits"])
    said += [f"Compatible with them as rounded, and no explanation: {row['compatible']}."] * bool(row["compatible"])
    return [*said, "This does not confirm the figures."]


def _impossible(row: Mapping[str, str]) -> list[str]:
    said = [f"Impossible as one pooled confusion matrix of {_clips(row)}."]
    names = [name for name in FIGURES if row[name]]
    alone = row["alone"].split() if len(names) > 1 else []
    said += [f"{FIGURES[name]} {_short(row[name])} alone is not possible." for name in alone]
    for name in names:
        if row[f"nearest_{name}"]:
            others = [f"{FIGURES[other]} {_short(row[other])}" for other in names if other != name]
            with_others = f"With {' and '.join(others)}, the" if others else "The"
            nearest = _short(row[f"nearest_{name}"])
            said.append(f"{with_others} possible {FIGURES[name]} nearest to {_short(row[name])} is {nearest}.")
    said += [f"Possible with the class counts of {row['elsewhere'].replace(' ', ', ')}."] * bool(row["elsewhere"])
    said += [f"Other computations that fit: {row['fits']}."] * bool(row["fits"])
    said += [f"Compatible, and no explanation: {row['compatible']}."] * bool(row["compatible"])
    return [*said, "Another computation, other clips or a misprint are each possible."]


def _undecided(row: Mapping[str, str]) -> list[str]:
    return [f"Undecided for {_clips(row)}: the search ended without an answer, which is not to be read as possible."]


def _unchecked(row: Mapping[str, str]) -> list[str]:
    return [f"Not checked: {row['reason']}."]


def _beside_others(row: Mapping[str, str]) -> list[str]:
    """Say what follows from other rows: the parts of the method, and rows that print the same figures."""
    apart = (
        "The UARs of all clips and of the parts can not come from one set of predictions; those of parts that were "
        "trained separately need not."
    )
    return [apart] * bool(row["apart"]) + [
        f"The same figures are printed for {row['same_as']}, which can be chance."
    ] * bool(row["same_as"])
