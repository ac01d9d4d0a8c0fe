"""An explanation: where two rows differ, by part, class, subject and clip."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from merbench.analysis.explain import UNKNOWN, Explanation
from merbench.contracts.notes import Note
from merbench.report.numbers import count_text, number, p_text, signed, signed_count, signed_interval
from merbench.report.table import Column, Report, Section, Table, name_column, text_cells
from merbench.report.views.rows import named, title_of

A, B = "A", "B"


def explanation_report(found: Explanation, most: int) -> Report:
    """Build the tables of an explanation: at most `most` subjects and clips."""
    tables = [_row_table(found), _part_table(found), _class_table(found), _confusion_table(found)]
    return Report([*tables, _subject_table(found, most), _clip_table(found, most)], data=found.record())


def _row_table(found: Explanation) -> Table:
    """Build the table of the two rows, and of the settings in which they differ."""
    rows = {A: found.one, B: found.two}
    facts = {
        "row": [f"{row.label}{' [sanity row]' * row.sanity}" for row in rows.values()],
        "runs": [", ".join(run.file.run_id for run in row.runs) for row in rows.values()],
        "ranked under": [title_of([row]) for row in rows.values()],
        **{name: values for name, values in found.agreement.items() if values[0] != values[1]},
    }
    unknown = [name for name, values in found.agreement.items() if set(values) == {UNKNOWN}]
    same = [name for name, (one, two) in found.agreement.items() if one == two and name not in unknown]
    notes = [note for letter, row in rows.items() for note in named(letter, row.remarks)]
    notes += [Note("warning", f"forced although {why}") for why in found.against]
    if found.excluded:
        clips = f"{found.excluded} clip{'s' * (found.excluded > 1)}"
        notes.append(Note("excluded", f"excluded, since missing from one row or labelled differently: {clips}"))
    legend = [f"Equal: {', '.join(same) or 'nothing'}."]
    legend += [f"Unknown of both: {', '.join(unknown)}."] if unknown else []
    lines = [text_cells(name, *values) for name, values in facts.items()]
    columns = [name_column("", wraps=False), *(Column(letter, align="left", wraps=True) for letter in rows)]
    return Table("", columns, [Section(lines)], legend, notes)


def _part_table(found: Explanation) -> Table:
    lines = []
    for part in found.parts:
        gap, title = part.difference, found.titles[part.part]
        uf1 = [*map(number, part.uf1), signed(gap.uf1, 4), signed_interval(gap.uf1_interval), p_text(part.uf1_p)]
        uar = [*map(number, part.uar), signed(gap.uar, 4), signed_interval(gap.uar_interval), p_text(part.uar_p)]
        lines += [text_cells(title, "UF1", *uf1, gap.clips), text_cells("", "UAR", *uar, "")]
    legend = [
        f"Standard deviation of UF1 over seeds: {'; '.join(_spread(found))}.",
        "95 % intervals and p: paired bootstrap and permutation test over subjects, conditional on the trained models. "
        "The p-values of databases are adjusted for their number (Holm).",
    ]
    columns = [name_column("Part"), *map(Column, ("", A, B, "A - B", "95 %", "p", "Clips"))]
    return Table(f"UF1 and UAR: {A} minus {B}", columns, [Section(lines)], legend)


def _spread(found: Explanation) -> Iterator[str]:
    for letter, row, seeds in ((A, found.one, found.seeds[0]), (B, found.two, found.seeds[1])):
        if len(seeds) > 1:
            spread = number(float(np.std(seeds, ddof=1)), 3)
            yield f"{letter} {spread} ({number(min(seeds))} to {number(max(seeds))}, {len(seeds)} seeds)"
        else:
            yield f"{letter} {'none, deterministic' if row.runs[0].file.deterministic else 'unknown, one seed'}"


def _class_table(found: Explanation) -> Table:
    lines = [
        text_cells(
            name,
            *(text for one, two in (of.recall, of.f1) for text in (number(one, 3), number(two, 3), signed(one - two))),
            of.clips,
        )
        for name, of in found.classes.items()
    ]
    columns = [Column(name, group=group) for group in ("Recall", "F1") for name in (A, B, "A - B")]
    return Table("Classes", [name_column("Class"), *columns, Column("Clips")], [Section(lines)])


def _confusion_table(found: Explanation) -> Table:
    lines = [
        text_cells(name, *map(signed_count, row))
        for name, row in zip(found.classes, found.confusion.tolist(), strict=True)
    ]
    title = f"Confusion of {A} minus that of {B}, in clips: rows true, columns predicted"
    return Table(title, [name_column("Class"), *map(Column, found.classes)], [Section(lines)])


def _subject_table(found: Explanation, most: int) -> Table:
    moved = found.subjects[found.subjects.change.abs() > 1e-9]
    gained, lost = int((moved.change > 0).sum()), int((moved.change < 0).sum())
    kept = len(found.subjects) - len(moved)
    title = f"Subjects with more clips right: {A} {gained}, {B} {lost}, equal {kept}{_only(most, moved)}"
    lines = [
        text_cells(
            f"{each['dataset']}/{each['subject']}",
            count_text(each["right"]), count_text(each["other_right"]), signed_count(each["change"]), each["clips"],
        )
        for each in moved.head(most).to_dict("records")
    ]  # fmt: skip
    columns = [name_column("Subject"), *map(Column, ("A right", "B right", "A - B", "Clips"))]
    return Table(title, columns, [Section(lines)])


def _clip_table(found: Explanation, most: int) -> Table:
    moved = found.clips
    gained = int((moved.change > 0).sum())
    title = f"Clips right in more seeds: {A} {gained}, {B} {len(moved) - gained}{_only(most, moved)}"
    lines = []
    for each in moved.head(most).to_dict("records"):
        right = [
            f"{each[name]}/{len(seeds)}" for name, seeds in zip(("right", "other_right"), found.seeds, strict=True)
        ]
        clip = f"{each['dataset']}/{each['subject']}/{each['clip']}"
        lines.append(text_cells(clip, each["truth"], each["said"], each["other_said"], *right))
    columns = [name_column("Clip"), *map(Column, ("Truth", f"{A} predicted", f"{B} predicted", "A right", "B right"))]
    columns[1:4] = [replace(column, align="left", wraps=True) for column in columns[1:4]]
    return Table(title, columns, [Section(lines)])


def _only(most: int, moved: pd.DataFrame) -> str:
    return f"; the {most} largest changes" if len(moved) > most else ""
