"""An explanation on a terminal, or in plain text where there is none."""

import math

import numpy as np
import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from merbench.analysis.explain import Explanation, PartDifference
from merbench.contracts.names import shown
from merbench.report.views.compare import number, signed, title_of
from merbench.scoring.intervals import Interval

A, B = "A", "B"


def print_explanation(found: Explanation, console: Console, most: int) -> None:
    """Print an explanation: at most `most` subjects and clips."""
    rows = ((A, found.one), (B, found.two))
    for letter, row in rows:
        runs = ", ".join(run.file.run_id for run in row.runs)
        told = shown(f"{row.label}{' [sanity row]' * row.sanity}: {runs}")
        console.print(Text.assemble((f"{letter}  ", "bold"), told), soft_wrap=True)
    titles = {letter: title_of([row]) for letter, row in rows}
    apart = [f"{letter} under {title}" for letter, title in titles.items()]
    for title in [titles[A]] if titles[A] == titles[B] else apart:
        _note(console, title, "")
    for letter, row in rows:
        for remark in row.remarks:
            _note(console, f"{letter}: {remark}", "yellow")
    for why in found.against:
        _note(console, f"forced although {why}", "yellow")
    if found.left_out:
        clips = f"{found.left_out} clip{'s' * (found.left_out > 1)}"
        _note(console, f"left out, since only one has them, or with another class there: {clips}", "yellow")
    same = [each.what for each in found.agreement if each.agree]
    _note(console, f"the same: {', '.join(same) or 'nothing'}", "")
    for each in found.agreement:
        if not each.agree:
            _note(console, f"{each.what}: {A} {each.one} | {B} {each.two}", "")
    console.print()
    console.print(_part_table(found))
    _note(console, _spread(found))
    _note(
        console, "Intervals (95 %) and p are over subjects, given the trained folds: paired bootstrap and permutation."
    )
    _note(console, "The p of the databases are adjusted for their number (Holm).")
    console.print()
    console.print(_class_table(found))
    console.print(_confusion_table(found))
    console.print(_subject_table(found, most))
    console.print(_clip_table(found, most))


def _note(console: Console, text: str, style: str = "dim") -> None:
    console.print(Text(shown(text), style=style), soft_wrap=not console.is_terminal)


def _table(title: str) -> Table:
    return Table(title=Text(shown(title)), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))


def _range(interval: Interval) -> str:
    return "" if math.isnan(interval.low) else f"{signed(interval.low)}, {signed(interval.high)}"


def _p(value: float) -> str:
    return "<.001" if value < 0.001 else number(value, 3)


def _part_table(found: Explanation) -> Table:
    table = _table(f"UF1 and UAR: {A} minus {B}")
    table.add_column("Part")
    for name in ("", A, B, "A - B", "95 %", "p", "Clips"):
        table.add_column(name, justify="right", no_wrap=True)
    for part in found.parts:
        for row in _part_rows(part, found.titles[part.part]):
            table.add_row(*row)
    return table


def _part_rows(part: PartDifference, title: str) -> list[list[Text | str]]:
    gap = part.difference
    return [
        [Text(shown(title)), "UF1", *map(number, part.uf1), signed(gap.uf1, 4), _range(gap.uf1_interval),
         _p(part.uf1_p), str(gap.clips)],
        ["", "UAR", *map(number, part.uar), signed(gap.uar, 4), _range(gap.uar_interval),
         _p(part.uar_p), ""],
    ]  # fmt: skip


def _spread(found: Explanation) -> str:
    """Say how far each row's own seeds lie apart: another source of spread than the subjects."""
    said = []
    for letter, row, seeds in ((A, found.one, found.seeds[0]), (B, found.two, found.seeds[1])):
        if len(seeds) > 1:
            spread = number(float(np.std(seeds, ddof=1)), 3)
            said.append(f"{letter} ±{spread} ({number(min(seeds))} to {number(max(seeds))}, {len(seeds)} seeds)")
        elif row.runs[0].file.deterministic:
            said.append(f"{letter} none, it is deterministic")
        else:
            said.append(f"{letter} unknown, it has one seed")
    return f"Spread of UF1 over seeds: {'; '.join(said)}."


def _class_table(found: Explanation) -> Table:
    table = _table("Classes")
    table.add_column("Class")
    for name in ("Recall A", "B", "A - B", "F1 A", "B", "A - B", "Clips"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in found.classes:
        cells = [
            cell for one, two in (each.recall, each.f1) for cell in (number(one, 3), number(two, 3), signed(one - two))
        ]
        table.add_row(Text(shown(each.name)), *cells, str(each.clips))
    return table


def _confusion_table(found: Explanation) -> Table:
    table = _table(f"Confusion of {A} minus that of {B}, in clips: a row is the truth, a column what was said")
    table.add_column("")
    for name in found.classes_of:
        table.add_column(Text(shown(name)), justify="right", no_wrap=True)
    for name, row in zip(found.classes_of, found.confusion, strict=True):
        table.add_row(Text(shown(name)), *map(_clips, row.tolist()))
    return table


def _clips(value: float) -> str:
    return "0" if abs(value) < 0.05 else f"{value:+.1f}".removesuffix(".0")


def _share(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _subject_table(found: Explanation, most: int) -> Table:
    moved = found.subjects[found.subjects.change.abs() > 1e-9]
    gained, lost = int((moved.change > 0).sum()), int((moved.change < 0).sum())
    kept = len(found.subjects) - len(moved)
    table = _table(
        f"Subjects: {A} has more clips of {gained} right, {B} of {lost}, as many of {kept}{_only(most, moved)}"
    )
    table.add_column("Subject")
    for name in ("A right", "B right", "A - B", "Clips"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in moved.head(most).to_dict("records"):
        right = _share(each["right"]), _share(each["other_right"]), _clips(each["change"])
        table.add_row(Text(shown(f"{each['dataset']}/{each['subject']}")), *right, str(each["clips"]))
    return table


def _clip_table(found: Explanation, most: int) -> Table:
    moved = found.clips
    gained = int((moved.change > 0).sum())
    seeds = len(found.seeds[0]), len(found.seeds[1])
    title = f"Clips: {A} has {gained} right that {B} has wrong, in more of its seeds; {B} {len(moved) - gained}"
    table = _table(f"{title}{_only(most, moved)}")
    for name in ("Clip", "Truth", f"{A} said", f"{B} said"):
        table.add_column(name, overflow="fold")
    for name in (f"{A} right", f"{B} right"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in moved.head(most).to_dict("records"):
        names = (f"{each['dataset']}/{each['subject']}/{each['clip']}", each["truth"], each["said"], each["other_said"])
        counts = (f"{each['right']}/{seeds[0]}", f"{each['other_right']}/{seeds[1]}")
        table.add_row(*(Text(shown(name)) for name in names), *counts)
    return table


def _only(most: int, moved: pd.DataFrame) -> str:
    return f"; the {most} that moved most" if len(moved) > most else ""
