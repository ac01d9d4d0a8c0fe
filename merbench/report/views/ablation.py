"""An ablation printed: a table on a terminal, Markdown to paste, CSV and JSON."""

import csv
import io
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from merbench.analysis.ablation import BESIDE, SANITY, WHOLE, Ablation, Line, setting_text
from merbench.contracts.names import shown
from merbench.report.views.compare import (
    INTERVALS,
    Cell,
    _csv_cell,
    _interval,
    counts,
    figure_text,
    number,
    signed,
    title_of,
)
from merbench.report.views.compare import (
    SANITY as SANITY_NOTE,
)
from merbench.report.write.paper import _markdown_cell, _markdown_escape
from merbench.report.write.terminal import _base_table, _cell, _print_fitting, _print_note
from merbench.scoring.alignment import LEAST_CLIPS
from merbench.scoring.paired import Difference
from merbench.scoring.table import PartScore
from merbench.scoring.unit_scores import LEAST_SHOWN, UnitScores


@dataclass(frozen=True)
class Column:
    """One column: its title, which may have two lines, and what stands in it for a row."""

    head: str
    cell: Callable[[Line], Cell]


def main_columns(ablation: Ablation) -> list[Column]:
    """Return the columns of scores and differences."""
    columns = [
        Column("UF1", lambda line: _score(line.row.scores.get("full"), "uf1")),
        Column("UAR", lambda line: Cell(_score(line.row.scores.get("full"), "uar").value, "", 0)),
        Column("difference\nin UF1", lambda line: _difference(line.difference)),
    ]
    if ablation.shared_clips:
        columns += [
            Column("same AUs\nUF1", lambda line: _score(line.shared, "uf1")),
            Column("same AUs\ndifference", lambda line: _difference(line.shared_difference)),
        ]
    return [*columns, Column("Seeds", lambda line: Cell(counts(line.row)[-1], "", 0))]


def decoupling_columns(ablation: Ablation) -> list[Column]:
    """Return the columns of what diagnostics say; none where they were not asked for."""
    if not ablation.diagnosed:
        return []

    def probe(name: str) -> Callable[[Line], Cell]:
        return lambda line: _units(line.decoupling.probes.get(name) if line.decoupling else None)

    return [
        Column("CKA", lambda line: Cell(_cka(line), "", 0)),
        *(Column(f"AU probe\n{name}", probe(name)) for name in ablation.features),
        Column("AU F1", lambda line: _units(line.decoupling.detection if line.decoupling else None)),
    ]


def _score(score: PartScore | None, name: str) -> Cell:
    return Cell(*figure_text(score, name), 0)


def _difference(found: Difference | None) -> Cell:
    if found is None or math.isnan(found.uf1):
        return Cell("–", "", 0)
    low, high = found.uf1_interval.low, found.uf1_interval.high
    beyond = low > 0 or high < 0
    interval = "" if math.isnan(low) else f"{signed(low)}, {signed(high)}"
    return Cell(signed(found.uf1, 4), interval, int(beyond))


def _units(scores: UnitScores | None) -> Cell:
    if scores is None or math.isnan(scores.f1):
        return Cell("–", "", 0)
    return Cell(number(scores.f1), _interval(scores.interval), 0)


def _cka(line: Line) -> str:
    aligned = line.decoupling.alignment if line.decoupling else None
    return number(aligned.cka if aligned else None, 2)


def title(ablation: Ablation) -> str:
    """Name the whole method, the protocol and the data, with the digests that say so."""
    row = ablation.whole.row
    return f"Ablations of {row.label}: {title_of([row])}"


def notes(ablation: Ablation) -> list[str]:
    """Say what the columns mean, what was run, and what is missing."""
    said = [
        INTERVALS,
        "Differences: the row's UF1 minus the whole method's over the same clips, the same subjects drawn for both; "
        "bold where the interval leaves 0 out, which one row in twenty does by chance alone.",
    ]
    if ablation.shared_clips:
        said.append(
            f"Same AUs: the {ablation.shared_clips} clips whose exact set of action units occurs with several classes "
            "in their database; only what lies beyond the action units tells these apart."
        )
    else:
        said.append("No clip is known to share its action units with another class, so that is not shown.")
    if ablation.diagnosed:
        said += _decoupling_notes(ablation)
    said += [SANITY_NOTE] * any(line.trial.group == SANITY for line in ablation.lines)
    return [*said, *_remarks(ablation), *ablation.notes, _ran_on(ablation)]


def _remarks(ablation: Ablation) -> list[str]:
    """Say what a reader should know of the rows: what holds for a method once, what a row lacks for each."""
    told: dict[tuple[str, str], str] = {}
    for line in ablation.lines:
        file = line.row.runs[0].file
        general = {*file.disclosures, file.remark, "synthetic data"}
        for remark in line.row.remarks:
            whose = file.method if remark in general else _place(line)
            told[whose, remark] = f"{whose}: {remark}"
    return list(told.values())


def _decoupling_notes(ablation: Ablation) -> list[str]:
    found = [line.decoupling for line in ablation.lines if line.decoupling]
    if not found:
        return ["No row has diagnostics."]
    said = []
    aligned = next((each.alignment for each in found if each.alignment), None)
    if aligned:
        said.append(
            "CKA: linear, unbiased, of a row's two features on held-out clips; 1 is the same up to a rotation, "
            f"0 nothing shared. Of {aligned.folds + aligned.left_out} folds (all seeds) {aligned.left_out} have fewer "
            f"than {LEAST_CLIPS} clips and are left out."
        )
    probe = next((scores for each in found for scores in each.probes.values() if scores.counted), None)
    if probe:
        said.append(
            "AU probe: F1 of reading action units off a feature of held-out clips by a linear discriminant. "
            + _mean_over(probe)
        )
    own = next((each.detection for each in found if each.detection and each.detection.counted), None)
    if own:
        said.append(f"AU F1: that of the method's own scores of action units. {_mean_over(own)}")
    return said


def _mean_over(scores: UnitScores) -> str:
    return (
        f"Mean over the units that at least {LEAST_SHOWN} clips show; in the first row that has any these are "
        f"{scores.counted}, and always answering that a unit is shown gives {number(scores.floor)}."
    )


def _ran_on(ablation: Ablation) -> str:
    row = ablation.whole.row
    file = row.runs[0].file
    kind = " (synthetic: it says nothing about people)" if file.synthetic else ""
    seeds = ", ".join(str(run.file.key.seed) for run in row.runs)
    clips, folds, _ = counts(row)
    asked = len(row.runs[0].asked_folds)
    part = "" if asked == ablation.folds else f" Only {asked} of the protocol's {ablation.folds} folds were asked for."
    config = " ".join(filter(None, [file.config_name, file.variant]))
    return (
        f"Run on {file.data}{kind}, protocol {file.protocol}, configuration {config}, seeds {seeds}, {folds} folds, "
        f"{clips} clips.{part}"
    )


def _place(line: Line) -> str:
    return line.trial.name if line.trial.group in (WHOLE, BESIDE, SANITY) else f"{line.trial.group}/{line.trial.name}"


def _what(ablation: Ablation, line: Line) -> str:
    """Say what a row changes."""
    changed = setting_text(line.trial.changes)
    if line is ablation.whole:
        return "the whole method"
    return f"{changed} (as the whole)".strip() if ablation.is_whole(line) else changed


def print_ablation(ablation: Ablation, console: Console) -> None:
    """Print for people: one wide table, or the decoupling in a second one where the terminal is narrow."""
    main, more = main_columns(ablation), decoupling_columns(ablation)
    narrow = [_table(ablation, title(ablation), main)]
    if more:
        narrow.append(_table(ablation, "Decoupling on held-out clips", more))
    _print_fitting(console, _table(ablation, title(ablation), [*main, *more]), narrow)
    for note in notes(ablation):
        _print_note(console, note)
    _print_note(console, ablation.command)


def _table(ablation: Ablation, head: str, columns: Sequence[Column]) -> Table:
    table = _base_table(head)
    table.add_column("Row", min_width=16, max_width=22, overflow="fold")
    for column in columns:
        table.add_column(Text(_shown_lines(column.head)), justify="right", no_wrap=True)
    for group, lines in groupby(ablation.lines, key=lambda line: line.trial.group):
        table.add_section()
        if group != WHOLE:
            table.add_row(Text(shown(group), style="bold"))
        for line in lines:
            label = Text.assemble(shown(line.trial.name), ("\n" + shown(_what(ablation, line)), "dim"))
            table.add_row(label, *(_cell(column.cell(line)) for column in columns))
    return table


def _shown_lines(text: str) -> str:
    """Write a column's title for a terminal, line by line."""
    return "\n".join(map(shown, text.split("\n")))


def as_markdown(ablation: Ablation) -> str:
    """Write a GitHub Markdown table to paste, with what it was run on and the command."""
    columns = [*main_columns(ablation), *decoupling_columns(ablation)]
    table = [
        ["Group", "Row", "Changes", *(_markdown_escape(column.head) for column in columns)],
        [*["---"] * 3, *["--:"] * len(columns)],
        *(
            [
                *map(_markdown_escape, (line.trial.group, line.trial.name, _what(ablation, line))),
                *(_markdown_cell(column.cell(line)) for column in columns),
            ]
            for line in ablation.lines
        ),
    ]
    said = [f"- {_markdown_escape(note)}" for note in notes(ablation)]
    text = [f"**{_markdown_escape(title(ablation))}**", "", *(f"| {' | '.join(line)} |" for line in table), "", *said]
    return "\n".join([*text, "", "```sh", ablation.command, "```"]) + "\n"


def as_json(ablation: Ablation) -> str:
    """Write the rows as a JSON list of objects."""
    return json.dumps(ablation.records(), indent=1, ensure_ascii=False)


def as_csv(ablation: Ablation) -> str:
    """Write the rows as CSV, with the fields of the JSON objects as columns."""
    records = [record | {"settings": setting_text(record["settings"])} for record in ablation.records()]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(records[0])
    writer.writerows([_csv_cell(value) for value in record.values()] for record in records)
    return out.getvalue()
