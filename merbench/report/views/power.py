"""The power of a protocol's paired test, as tables."""

import math
from collections.abc import Mapping

from merbench.analysis.power import Power
from merbench.contracts.notes import Note
from merbench.report.numbers import NONE, number, signed
from merbench.report.table import Column, Report, Section, Table, name_column, text_cells


def power_report(
    protocol: str, found: Power, lifts: Mapping[str, Mapping[tuple[int, int], float]] | None = None
) -> Report:
    """Build the tables: differences that are found, what seeds add, and the lift of picked epochs by row."""
    tables = [_differences(protocol, found), _smallest(found)]
    tables += [_lift(label, values) for label, values in (lifts or {}).items()]
    record = found.record() | {
        "protocol": protocol,
        "lift": [
            {"row": label, "folds": folds, "epochs": epochs, "uf1": round(value, 6)}
            for label, values in (lifts or {}).items()
            for (folds, epochs), value in values.items()
        ],
    }
    return Report(tables, data=record, records=record["found"])


def _differences(protocol: str, found: Power) -> Table:
    lines = [text_cells(_planted(each.difference), _percent(each.power)) for each in found.found]
    one, two = found.labels
    people = f"{found.clips} clips of {found.subjects} subjects"
    legend = [
        f"Found: share of 500 samples of people with p < .05, one seed a row; {people}. The first line is the rate of "
        "false alarms, 5 % by design.",
        "Wrong clips of one row are corrected, first those that the other row or another seed has right.",
    ]
    notes = []
    if found.assumed:
        text = (
            "both rows are assumed, since no two are recorded or by --assumed: a recall of .6 in every class, one "
            "seed, and predictions as much alike as those of svm-flow and ststnet under megc2019"
        )
        notes.append(Note("note", text))
    title = f"{protocol}: {one} against {two}"
    return Table(
        title, [name_column("Difference in UF1", wraps=False), Column("Found")], [Section(lines)], legend, notes
    )


def _smallest(found: Power) -> Table:
    lines = []
    for seeds, value in found.smallest.items():
        spread = math.sqrt(sum(0.0 if math.isnan(each) else each**2 / seeds for each in found.training))
        both = math.hypot(found.people, spread)
        texts = [number(value, 3), number(found.people, 3), number(spread, 3), number(both, 3)]
        lines.append(text_cells(str(seeds), *(texts[:1] if found.assumed else texts)))
    columns = [name_column("Seeds a row"), Column("Found with 80 %")]
    if not found.assumed:
        columns += [Column(name, group="Standard deviation over") for name in ("people", "seeds", "both")]
    legend = ["Found with 80 %: the smallest difference in UF1 that four of five samples of people show."]
    alone = [label for label, value in zip(found.labels, found.training, strict=True) if math.isnan(value)]
    if alone and not found.assumed:
        legend.append(f"Over seeds: of rows with several; not known of, or none for, {' and '.join(alone)}.")
    if not found.assumed:
        legend.append("Seeds are drawn from the recorded ones, which understates how much new ones would differ.")
    return Table("What more seeds add", columns, [Section(lines)], legend)


def _lift(label: str, lifts: Mapping[tuple[int, int], float]) -> Table:
    epochs = list(dict.fromkeys(looked for _, looked in lifts))
    folds = list(dict.fromkeys(many for many, _ in lifts))
    lines = [text_cells(many, *(signed(lifts[many, looked]) for looked in epochs)) for many in folds]
    columns = [name_column("Folds"), *(Column(str(looked), group="Epochs looked at") for looked in epochs)]
    legend = ["By accuracy on the test clips of each fold, first of ties; with fewer folds, people are put together."]
    return Table(f"{label}: what picking the best test epoch adds to UF1", columns, [Section(lines)], legend)


def _planted(difference: float) -> str:
    return number(difference, 2) if difference else "none"


def _percent(power: float) -> str:
    return NONE if math.isnan(power) else f"{power:.0%}".replace("%", " %")
