"""A prediction log, scored under a protocol."""

from collections.abc import Sequence
from dataclasses import replace

from merbench.contracts.errors import listed
from merbench.contracts.notes import Note
from merbench.contracts.protocols import ProtocolSpec
from merbench.records.logs import Log
from merbench.report.numbers import number
from merbench.report.table import Report
from merbench.report.views.rows import warned
from merbench.report.views.show import scores_tables
from merbench.scoring.metrics import scores
from merbench.scoring.table import pooled_confusion


def log_report(log: Log, spec: ProtocolSpec, name: str) -> Report:
    """Build the tables of a log's scores; missing clips, foreign clips and other labels are named."""
    notes = [Note("warning", f"warning: {warning}") for warning in spec.warnings]
    if log.relabelled:
        official = scores(pooled_confusion(log.as_listed, spec.classes))
        figures = f"UF1 {number(official.uf1)}, UAR {number(official.uar)}"
        notes.append(_of_clips("truth differs from the official list for", log.relabelled))
        notes.append(Note("warning", f"with the official labels: {figures}"))
    if log.missing:
        notes.append(_of_clips("no prediction for", log.missing))
    if log.foreign:
        notes.append(_of_clips("not in the protocol, not scored:", log.foreign))
    clips = len(log.predictions)
    part = f": {clips} of {clips + len(log.missing)} clips" if log.missing else ""
    title = f"{name} under {spec.name}{warned(spec.warnings)}{part}"
    first, *others = scores_tables(log.predictions, spec.classes, spec.parts, title)
    return Report([replace(first, notes=notes), *others])


def _of_clips(text: str, clips: Sequence[str]) -> Note:
    return Note("warning", f"{text} {len(clips)} clip{'s' if len(clips) > 1 else ''}: {listed(clips, most=20)}")
