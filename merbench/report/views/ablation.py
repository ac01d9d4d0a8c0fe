"""An ablation: a method, its changed settings and other methods, with paired differences and diagnostics."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import groupby

from merbench.analysis.ablation import BESIDE, SANITY, WHOLE, Ablation, Line
from merbench.contracts.notes import Note
from merbench.contracts.yamlfiles import settings_text
from merbench.report.numbers import NONE, excludes_zero, interval_text, number, signed, signed_interval
from merbench.report.table import Cell, Column, Report, Section, Table, name_column
from merbench.report.views.compare import SANITY_LEGEND, score_cell
from merbench.report.views.rows import INTERVALS, as_notes, counts, named, title_of
from merbench.scoring.alignment import LEAST_CLIPS
from merbench.scoring.decoupling import Decoupling
from merbench.scoring.paired import Difference
from merbench.scoring.unit_scores import LEAST_SHOWN, UnitScores

_Filled = tuple[Column, Callable[[Line], Cell]]


def ablation_report(ablation: Ablation) -> Report:
    """Build the table of an ablation: a section a group, the method first."""
    filled = [*_score_columns(ablation), *_decoupling_columns(ablation)]
    sections = [
        Section(
            [[_name(ablation, line), *(cell(line) for _, cell in filled)] for line in lines],
            "" if group == WHOLE else group,
        )
        for group, lines in groupby(ablation.lines, key=lambda line: line.group)
    ]
    row = ablation.whole.row
    table = Table(
        f"Ablations of {row.label}: {title_of([row])}",
        [name_column("Row"), *(column for column, _ in filled)],
        sections,
        _legend(ablation),
        [*_row_notes(ablation), *as_notes(ablation.notes), Note("note", _ran_on(ablation))],
    )
    records = ablation.records()
    as_text = [record | {"settings": settings_text(record["settings"], " ")} for record in records]
    return Report([table], records=as_text, data=records, command=ablation.command)


def _name(ablation: Ablation, line: Line) -> Cell:
    """Return the name of a row and its changed settings."""
    changed = settings_text(line.changes, " ")
    if line is ablation.whole:
        changed = "the full method"
    elif ablation.is_whole(line):
        changed = f"{changed} (as the full method)".strip()
    return Cell(line.name, changed)


def _score_columns(ablation: Ablation) -> list[_Filled]:
    columns: list[_Filled] = [
        (Column("UF1"), lambda line: score_cell(line.row.scores.get("full"), "uf1")),
        (Column("UAR"), lambda line: replace(score_cell(line.row.scores.get("full"), "uar"), detail="")),
        (Column("difference\nin UF1"), lambda line: _difference(line.difference)),
    ]
    if ablation.shared_clips:
        columns += [
            (Column("UF1", group="same AUs"), lambda line: score_cell(line.shared, "uf1")),
            (Column("difference", group="same AUs"), lambda line: _difference(line.shared_difference)),
        ]
    return [*columns, (Column("Seeds"), lambda line: Cell(counts(line.row)[-1]))]


def _decoupling_columns(ablation: Ablation) -> list[_Filled]:
    """Return the columns of diagnostics; none where they were not asked for."""
    if not ablation.diagnosed:
        return []

    def found(line: Line) -> Decoupling:
        return line.decoupling or Decoupling(None, {}, None)

    def probe(name: str) -> Callable[[Line], Cell]:
        return lambda line: _unit_cell(found(line).probes.get(name))

    return [
        (Column("CKA"), lambda line: Cell(number(aligned.cka if (aligned := found(line).alignment) else None, 2))),
        *((Column(name, group="AU probe"), probe(name)) for name in ablation.features),
        (Column("AU F1"), lambda line: _unit_cell(found(line).detection)),
    ]


def _difference(found: Difference | None) -> Cell:
    if found is None:
        return Cell(NONE)
    interval = found.uf1_interval
    return Cell(signed(found.uf1, 4), signed_interval(interval), 1 if excludes_zero(interval) else 0)


def _unit_cell(scores: UnitScores | None) -> Cell:
    return Cell(NONE) if scores is None else Cell(number(scores.f1), interval_text(scores.interval))


def _legend(ablation: Ablation) -> list[str]:
    said = [
        f"{INTERVALS} ±: standard deviation of UF1 over seeds.",
        "Difference: UF1 of the row minus UF1 of the full method on the same clips, paired over subjects; bold where "
        "the interval excludes 0, which happens by chance in one row in twenty.",
    ]
    if ablation.shared_clips:
        said.append(
            f"Same AUs: the {ablation.shared_clips} clips whose exact set of action units occurs with several classes "
            "in their database; action units alone cannot separate these."
        )
    else:
        said.append(
            "No clips of different classes are known to share their action units: the columns for these are excluded."
        )
    said += _decoupling_legend(ablation) if ablation.diagnosed else []
    return said + [SANITY_LEGEND] * any(line.group == SANITY for line in ablation.lines)


def _decoupling_legend(ablation: Ablation) -> Iterator[str]:
    found = [line.decoupling for line in ablation.lines if line.decoupling]
    if not found:
        yield "No row has diagnostics."
    if aligned := next((each.alignment for each in found if each.alignment), None):
        yield (
            "CKA: linear, unbiased, between the two features of a row on held-out clips; 1: equal up to a rotation, "
            f"0: unrelated. Folds with fewer than {LEAST_CLIPS} clips are excluded: {aligned.left_out} of "
            f"{aligned.folds + aligned.left_out} (all seeds)."
        )
    if probe := next((scores for each in found for scores in each.probes.values() if scores.counted), None):
        yield (
            "AU probe: F1 of action units predicted from a feature of held-out clips by linear discriminant analysis. "
            f"{_mean_over(probe)}"
        )
    if own := next((each.detection for each in found if each.detection and each.detection.counted), None):
        yield f"AU F1: F1 of the method's own action unit scores. {_mean_over(own)}"


def _mean_over(scores: UnitScores) -> str:
    return (
        f"Mean over the action units that at least {LEAST_SHOWN} clips show (in the first row with a score: "
        f"{scores.counted}); predicting every unit as shown gives {number(scores.floor)}."
    )


def _row_notes(ablation: Ablation) -> list[Note]:
    """Return the notes on rows: those on a method once, those on a row each."""
    found: list[Note] = []
    for line in ablation.lines:
        file = line.row.runs[0].file
        general = {*file.disclosures, file.remark, "synthetic data"}
        place = line.name if line.group in (WHOLE, BESIDE, SANITY) else f"{line.group}/{line.name}"
        for note in as_notes(line.row.remarks):
            found += named(file.method if note.text in general else place, [note])
    return list(dict.fromkeys(found))


def _ran_on(ablation: Ablation) -> str:
    row = ablation.whole.row
    file = row.runs[0].file
    kind = " (synthetic: not evidence about real faces)" if file.synthetic else ""
    seeds = ", ".join(str(run.file.key.seed) for run in row.runs)
    clips, folds, _ = counts(row)
    asked = len(row.runs[0].asked_folds)
    part = "" if asked == ablation.folds else f" Restricted to {asked} of the protocol's {ablation.folds} folds."
    config = " ".join(filter(None, [file.config_name, file.variant]))
    return (
        f"Run on {file.data}{kind}, protocol {file.protocol}, configuration {config}, seeds {seeds}, {folds} folds, "
        f"{clips} clips.{part}"
    )
