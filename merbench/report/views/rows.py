"""What several views show of rows: their notes, titles and counts."""

from collections.abc import Sequence

from merbench.analysis.rows import Row
from merbench.contracts.notes import Note
from merbench.report.numbers import NONE, number

#: How the intervals of pooled figures are computed.
INTERVALS = "95 % intervals: subject-level bootstrap, conditional on the trained models."


def as_notes(texts: Sequence[Note | str]) -> list[Note]:
    """Return notes of texts that have no kind."""
    return [text if isinstance(text, Note) else Note("note", text) for text in texts]


def named(label: str, texts: Sequence[Note | str]) -> list[Note]:
    """Return notes that begin with the name of a row."""
    return [Note(note.kind, f"{label}: {note.text}") for note in as_notes(texts)]


def row_notes(rows: Sequence[Row]) -> list[Note]:
    """Return the notes of rows, each with the name of its row."""
    return [note for row in rows for note in named(row.label, row.remarks)]


def title_of(rows: Sequence[Row]) -> str:
    """Name the protocol and the data that rows of a group share, with the digests that identify them."""
    file = rows[0].runs[0].file
    data = sorted({row.runs[0].file.data for row in rows})
    kind = ", AU detection" if file.task == "au-detection" else ""
    kind += ", synthetic data" if file.synthetic else ""
    kind += ", imported logs" if file.imported else ", methods with disclosures" if file.disclosures else ""
    kind += warned(file.warnings)
    digests = f"protocol {file.key.spec_digest[:8]}, split {file.key.split_digest[:8]}"
    return f"{file.protocol} on {', '.join(data)}{kind} ({digests})"


def warned(warnings: Sequence[str]) -> str:
    """Return the first words of a protocol's warnings, as the end of a title."""
    return "".join(f", {warning.partition(':')[0]}" for warning in warnings)


def counts(row: Row) -> list[str]:
    """Return clips, folds and seeds of a row, and the spread of UF1 over seeds; missing clips and folds are visible."""
    score, file = row.scores.get("full"), row.runs[0].file
    clips, all_clips = score.clips if score else 0, sum(file.folds.values())
    spread = number(score.seed_sd if score else None, 3)
    return [
        str(clips) if clips == all_clips else f"{clips}/{all_clips}",
        str(row.folds) if row.folds == len(file.folds) else f"{row.folds}/{len(file.folds)}",
        f"{len(row.runs)}" + (f" ±{spread}" if spread != NONE else ""),
    ]
