"""Claims as tables: what follows from arithmetic, and what does not."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from merbench.analysis.claims.claim import FIGURES, Answer, record_of
from merbench.analysis.claims.percent_matrices import SharesOfClass
from merbench.analysis.claims.slips import Slip
from merbench.contracts.notes import Note
from merbench.report.numbers import NONE, number
from merbench.report.table import Cell, Column, Report, Section, Table, name_column, text_cells

_IMPOSSIBLE = "impossible as one pooled confusion matrix of these counts"


def claims_report(
    found: Sequence[tuple[Answer, Sequence[Slip]]], apart: Sequence[str] = (), twice: Sequence[str] = ()
) -> Report:
    """Build the answer to one claim, in detail, or a table of several.

    `apart` names the methods whose parts are not restrictions of the predictions behind their figures of all clips,
    `twice` each two claims that print the same figures.
    """
    data = [record_of(answer) | {"slips": [_plain(slip) for slip in slips]} for answer, slips in found]
    tables = _detailed(*found[0]) if len(found) == 1 else [_overview(found)]
    text = (
        "the UAR of all clips and of the parts can not come from one set of predictions (separately trained need not)"
    )
    notes = [Note("warning", f"{name}: {text}") for name in apart]
    notes += [Note("note", f"{pair} print the same figures, which can be chance") for pair in twice]
    return Report(tables, notes, data=data, records=[_flat(record) for record in data])


def shares_report(
    found: Sequence[SharesOfClass],
    figures: Mapping[str, tuple[float, float]],
    printed: Mapping[str, tuple[Fraction, int]],
) -> Report:
    """Build the answer to a confusion matrix of shares: which clip counts fit, and which figures follow from them."""
    lines, data = [], []
    for row in found:
        share = f"{100 * len(row.fitting) / row.tried:.0f} %"
        shown = [str(n) for n in row.fitting[:6]] + ["…"] * (len(row.fitting) > 6)
        fits = NONE if row.clips is None else "yes" if row.fits else "no"
        lines.append(text_cells(row.name, row.clips or NONE, fits, ", ".join(shown) or "none", share))
        data.append({
            "class": row.name, "clips": row.clips, "fits": row.fits, "fitting": row.fitting, "tried": row.tried,
        })  # fmt: skip
    columns = [
        name_column("Class"),
        Column("Clips"),
        Column("Fits"),
        Column("Clips that fit", align="left", wraps=True),
    ]
    notes = []
    if figures:
        ends = [f"{FIGURES[name]} {number(low)} to {number(high)}" for name, (low, high) in figures.items()]
        notes.append(Note("note", f"Matrices with these shares and clips have {', '.join(ends)}."))
    for name, (value, digits) in printed.items() if figures else ():
        half, (low, high) = 0.5 * 10**-digits, figures[name]
        if not low - half <= float(value) <= high + half:
            notes.append(Note("warning", f"{FIGURES[name]} {number(float(value), digits)} is outside of that."))
    if not all(row.fits for row in found):
        notes.append(Note("warning", "No whole numbers of clips with these counts have these shares, as rounded."))
    legend = [
        "Of tried: the share of 1 to twice the clips (300 where not known) that fit; if most do, a fit says little."
    ]
    record = [{**row, "figures": {name: list(ends) for name, ends in figures.items()}} for row in data]
    return Report(
        [Table("", [*columns, Column("Of tried")], [Section(lines)], legend, notes)], records=data, data=record
    )


def _plain(slip: Slip) -> dict[str, Any]:
    return {"slip": slip.name, "answer": slip.word, "rescued": slip.rescued, "trials": slip.trials}


def _flat(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record as a row of CSV."""
    nearest = record["nearest"] or {}
    found = [slip["slip"] for slip in record["slips"] if slip["answer"] == "fits"]
    return {
        **{name: value for name, value in record.items() if name not in ("matrix", "nearest", "slips", "alone")},
        **{f"nearest_{name}": nearest.get(name) for name in FIGURES},
        "fits": "; ".join(found),
    }


def _printed(answer: Answer, name: str) -> str:
    if name not in answer.claim.printed:
        return NONE
    value, digits = answer.claim.printed[name]
    return number(float(value), digits)


def _verdict(answer: Answer) -> str:
    truncated = ", if truncated and not rounded" if answer.reading == "truncated" else ""
    return f"{answer.verdict}{truncated}"


def _detailed(answer: Answer, slips: Sequence[Slip]) -> list[Table]:
    claim = answer.claim
    figures = ", ".join(f"{title} {_printed(answer, name)}" for name, title in FIGURES.items() if name in claim.printed)
    clips = ", ".join(f"{name} {n}" for name, n in claim.counts.items())
    verdict = _IMPOSSIBLE if answer.verdict == "impossible" else _verdict(answer)
    lines = [text_cells("figures", figures), text_cells("clips", f"{sum(claim.sizes)}: {clips}")]
    lines.append(text_cells("answer", verdict))
    columns = [name_column("", wraps=False), Column("", align="left", wraps=True)]
    tables = [Table("", columns, [Section(lines)], notes=_notes(answer))]
    if answer.verdict == "possible":
        names = list(claim.counts)
        rows = [text_cells(name, *row) for name, row in zip(names, answer.matrix, strict=True)]
        title = "One matrix that gives these figures: rows true, columns predicted"
        tables.append(Table(title, [name_column("Class"), *map(Column, names)], [Section(rows)]))
    if slips:
        tables.append(_slip_table(slips))
    return tables


def _notes(answer: Answer) -> list[Note]:
    if answer.verdict == "undecided":
        return [Note("warning", "The search ended without an answer: this is not to be read as possible.")]
    if answer.verdict == "possible":
        refused = [Note("warning", "Rounded, these figures are impossible.")] if answer.refused else []
        return [*refused, Note("note", f"{_power(answer)} Possible does not confirm the figures.")]
    notes = [
        Note("warning", f"{FIGURES[name]} {_printed(answer, name)} alone is not possible with these counts.")
        for name in answer.alone
    ]
    for name, value in (answer.nearest or {}).items():
        others = [f"{FIGURES[other]} {_printed(answer, other)}" for other in answer.claim.printed if other != name]
        with_others = f"With {' and '.join(others)}, the" if others else "The"
        if value is not None:
            digits = answer.claim.printed[name][1] + 2 * (name in answer.alone)
            text = f"{with_others} possible {FIGURES[name]} nearest to {_printed(answer, name)} is "
            notes.append(Note("note", f"{text}{number(float(value), digits)}."))
    return [*notes, Note("note", "Another computation, other clips or a misprint are each possible.")]


def _power(answer: Answer) -> str:
    if answer.power is None:
        return "The power of this check is not known."
    share = f"{answer.power:.0%}".replace("%", " %")
    return f"Of {answer.neighbours} neighbouring figures (other last digits), {share} are possible too."


def _slip_table(slips: Sequence[Slip]) -> Table:
    lines = [
        [Cell(slip.name), Cell(slip.word), Cell(f"{slip.rescued} of {slip.trials}" if slip.trials else NONE)]
        for slip in sorted(slips, key=lambda slip: ("fits", "compatible", "undecided", "does not fit").index(slip.word))
    ]
    legend = [
        "Rescued: random false figures near by that the slip would also explain. Above 5 % it is compatible with the "
        "figures, and not an explanation.",
        f"{len(slips)} were tried: the more there are, the likelier that one fits by chance.",
        "Means over folds of UF1 and UAR were not tried: they do not follow from class counts.",
    ]
    columns = [name_column("Slip"), Column("", align="left"), Column("Rescued")]
    return Table("Other computations", columns, [Section(lines)], legend)


def _overview(found: Sequence[tuple[Answer, Sequence[Slip]]]) -> Table:
    lines = []
    for answer, slips in found:
        nearest = ", ".join(
            f"{FIGURES[name]} {number(float(value), answer.claim.printed[name][1])}"
            for name, value in (answer.nearest or {}).items()
            if value is not None
        )
        explained = ", ".join(slip.name for slip in slips if slip.word == "fits")
        power = "" if answer.power is None else f"{answer.power:.0%}".replace("%", " %")
        figures = [_printed(answer, name) for name in FIGURES]
        lines.append(text_cells(answer.claim.label, *figures, _verdict(answer), power, nearest, explained))
    counts = {
        word: sum(answer.verdict == word for answer, _ in found) for word in ("possible", "impossible", "undecided")
    }
    legend = [
        f"{', '.join(f'{n} {word}' for word, n in counts.items())}. Impossible: {_IMPOSSIBLE.partition(' ')[2]}. "
        "Possible does not confirm a figure.",
        "Power: share of neighbouring figures that are possible too. Nearest: each figure with the others as printed.",
    ]
    columns = [name_column("Claim"), *map(Column, FIGURES.values()), Column("Answer", align="left"), Column("Power")]
    columns += [Column("Nearest", align="left", wraps=True), Column("Slips that fit", align="left", wraps=True)]
    return Table("Claims", columns, [Section(lines)], legend)
