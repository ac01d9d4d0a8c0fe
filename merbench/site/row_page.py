"""The page of a row: settings, digests, seeds, confusion, recall by class and database, epochs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from merbench.analysis.audit import Audit
from merbench.analysis.rows import Row
from merbench.analysis.selection_rules import INNER, LAST
from merbench.contracts.clips import IDENTITY, clip_names
from merbench.contracts.yamlfiles import settings_text
from merbench.report.numbers import NONE, count_text, duration, number
from merbench.report.table import Cell, Column, Report, Section, Table, name_column, text_cells
from merbench.report.views.compare import FIGURES, score_cell
from merbench.report.views.rows import INTERVALS
from merbench.report.write.latex import as_latex
from merbench.scoring.metrics import scores
from merbench.scoring.table import pooled_confusion
from merbench.site.board import Group, share
from merbench.site.content import SiteContent
from merbench.site.drawing import curves

#: Rules whose course over epochs is drawn, and their names in the picture.
_DRAWN = {LAST: "last epoch", INNER: "inner subjects, refit", "oracle-acc-first": "best of each test fold"}
_POINTS = 60


def row_tables(row: Row) -> list[Table]:
    """Build the tables of a row of classification, averaged over its seeds, but for those that would repeat another."""
    tables = [run.predictions for run in row.runs]
    classes = row.runs[0].file.outputs
    found = [_part_table(row)] if len(row.parts) > 1 else []  # with one part, its figures are at the top
    found += [_seed_table(row)] if len(row.runs) > 1 else []
    found.append(_confusion_table(tables, classes))
    return found + ([_recall_table(row, tables, classes)] if len(row.parts) > 1 else [])


def _part_table(row: Row) -> Table:
    lines = []
    for part, title in row.parts.items():
        score = row.scores.get(part)
        acc, clips, classes = (score.acc, score.clips, score.classes_scored) if score else (None, 0, 0)
        figures = [score_cell(score, name) for name in FIGURES]
        lines.append([Cell(title), *figures, *text_cells(number(acc), clips, classes)])
    columns = [name_column("Part"), *map(Column, (*FIGURES.values(), "Acc", "Clips", "Classes"))]
    return Table("Figures by database", columns, [Section(lines)], [INTERVALS])


def _seed_table(row: Row) -> Table:
    lines = []
    for run in row.runs:
        found = scores(pooled_confusion(run.predictions, run.file.outputs))
        time = NONE if run.mark is None or run.file.imported else duration(run.mark.seconds)
        figures = map(number, (found.uf1, found.uar, found.acc))
        lines.append(text_cells(run.file.key.seed, *figures, time, run.file.run_id))
    columns = [name_column("Seed"), *map(Column, (*FIGURES.values(), "Acc", "Time")), Column("Run", align="left")]
    return Table("Seed by seed", columns, [Section(lines)])


def _confusion_table(tables: Sequence[pd.DataFrame], classes: Sequence[str]) -> Table:
    mean = np.mean([pooled_confusion(table, classes) for table in tables], axis=0)
    lines = []
    for index, name in enumerate(classes):
        cells = [Cell(count_text(value), place=1 if other == index else 0) for other, value in enumerate(mean[index])]
        hits, actual, given = mean[index, index], mean[index].sum(), mean[:, index].sum()
        rates = [hits / count if count else None for count in (actual, given)]
        f1 = 2 * hits / (actual + given) if actual else None
        lines.append([Cell(name), *cells, *text_cells(count_text(actual), *map(number, (*rates, f1)))])
    legend = ["Mean over seeds, in clips."] if len(tables) > 1 else []
    columns = [name_column("True class"), *(Column(name, group="Predicted") for name in classes)]
    columns += map(Column, ("Clips", "Recall", "Precision", "F1"))
    return Table("Confusion matrix", columns, [Section(lines)], legend)


def _recall_table(row: Row, tables: Sequence[pd.DataFrame], classes: Sequence[str]) -> Table:
    lines = []
    for part, title in row.parts.items():
        inside = [table if part == "full" else table[table.dataset == part] for table in tables]
        lines.append(text_cells(title, *(_recall(inside, name) for name in classes)))
    columns = [name_column("Part"), *map(Column, classes)]
    return Table("Recall by class and database, with clips", columns, [Section(lines)])


def _recall(tables: Sequence[pd.DataFrame], name: str) -> str:
    of_class = [table[table.truth == name] for table in tables]
    if not len(of_class[0]):
        return NONE
    return f"{number(float(np.mean([(t.predicted == name).mean() for t in of_class])), 3)} of {len(of_class[0])}"


def identity(row: Row) -> list[tuple[str, str]]:
    """Return settings and digests of a row, name by name."""
    file, key = row.runs[0].file, row.runs[0].file.key
    facts = {
        "Method": f"{file.method}, code {key.code_digest[:12]}",
        "Configuration": " ".join(filter(None, [file.config_name, file.variant])),
        "Settings": settings_text(key.config) or "none",
        "Selection of the epoch": "unknown" if file.imported else key.selection,
        "Seeds": ", ".join(str(run.file.key.seed) for run in row.runs),
        "Protocol": f"{file.protocol}, specification {key.spec_digest[:12]}, split {key.split_digest[:12]}",
        "Data": f"{file.data}{' (synthetic)' if file.synthetic else ''}, {key.data_digest[:12]}",
        "Inputs": ", ".join(f"{name} {value[:12]}" for name, value in sorted(key.input_digests.items())) or "none",
        "merbench": f"{file.merbench}, commit {(file.git_commit or 'unknown')[:12]}",
        "Compared with": row.compared_with or "",
        "Runs": ", ".join(run.file.run_id for run in row.runs),
        "Records": ", ".join(run.file.digest()[:12] for run in row.runs),
        "Predictions": ", ".join(run.mark.sha256[:12] for run in row.runs if run.mark),
    }
    if file.imported:
        facts["Method"] = f"{file.method}, imported from {file.imported}: its training was not seen"
    return [(name, value) for name, value in facts.items() if value]


def latex_line(row: Row) -> str:
    """Write the row as a line of the LaTeX table of its board."""
    cells = [Cell(number(getattr(score, name)) if score else NONE)
             for score in map(row.scores.get, row.parts) for name in FIGURES]  # fmt: skip
    columns = [name_column("Method"), *(Column(name) for _ in row.parts for name in FIGURES)]
    text = as_latex(Report([Table("", columns, [Section([[Cell(row.label), *cells]])])]))
    return text.partition("\\midrule\n")[2].partition("\n\\bottomrule")[0]


def course(audit: Audit) -> tuple[Markup, str]:
    """Draw UF1 against epochs under some selection rules, mean over seeds; and say what is drawn."""
    drawn = {}
    for name, title in _DRAWN.items():
        mean = audit.curves[audit.curves.selection == name].groupby("epoch").uf1.mean()
        if len(mean):
            kept = np.unique(np.linspace(0, len(mean) - 1, _POINTS).round().astype(int))
            drawn[title] = [(float(mean.index[at]), float(mean.iloc[at])) for at in kept]
    ends = ", ".join(f"{name} {number(curve[-1][1], 3)}" for name, curve in drawn.items())
    text = f"UF1 after each epoch, mean over seeds. At the end: {ends}"
    return curves(drawn, text, "epochs of training"), text


def hard_clips(group: Group, row: Row) -> dict[str, Any] | None:
    """Return how many clips all ranked rows get wrong, and those that only this one gets right; None with one row."""
    standing = group.standing
    if standing is None:
        return None
    tables = [run.predictions for run in row.runs]
    every = pd.concat([table[[*IDENTITY, "truth", "predicted"]] for table in tables])
    right = (every.truth == every.predicted).groupby([every[name] for name in IDENTITY]).mean() > 0.5
    known = standing.hard_clips
    mine = right.reindex(pd.MultiIndex.from_frame(known[IDENTITY])).to_numpy(dtype=bool)
    ranked = row in standing.rows
    most = len(standing.rows) - ranked
    alone = known[mine & (known.wrong >= most)]
    return {"rows": len(standing.rows), "ranked": ranked, "wrong": int((known.wrong == len(standing.rows)).sum()),
            "alone": _named(alone), "clips": len(known)}  # fmt: skip


def _named(table: pd.DataFrame) -> list[str]:
    return [f"{name} ({truth})" for name, truth in zip(clip_names(table), table.truth, strict=True)]


def standing_of(group: Group, row: Row) -> dict[str, Any] | None:
    """Return rank, interval of the rank and probability of being first of a ranked row; None without."""
    if group.standing is None or row not in group.standing.rows:
        return None
    place = group.standing.rows.index(row)
    low, high, first = group.standing.ranks[place]
    return {"rank": place + 1, "of": len(group.standing.rows), "low": low, "high": high, "first": share(first)}


def audit_of(content: SiteContent, row: Row) -> Audit | None:
    """Return the audit of a row whose epochs were kept, if there is one."""
    ids = {run.file.run_id for run in row.runs}
    return next((audit for audit in content.audits if ids == {run.file.run_id for run in audit.row.runs}), None)


def cost_lines(content: SiteContent, row: Row) -> Mapping[str, str]:
    """Return what a row costs, in words."""
    cost, minutes = content.cost(row), content.minutes(row)
    found = {
        "Parameters": "" if cost.get("parameters") is None else f"{cost['parameters']:,.0f}",
        "Multiply-adds a clip": "" if cost.get("gmac") is None else f"{1000 * cost['gmac']:.3g} million",
        "Recorded time a seed": "" if minutes is None else duration(minutes * 60),
    }
    return {name: value for name, value in found.items() if value}
