"""Reports as CSV and JSON, for machines."""

import csv
import io
import json
import re
from typing import Any

from merbench.contracts.names import cell
from merbench.report.table import Report


def as_json(report: Report) -> str:
    """Write the data of a report as JSON; whole numbers of a list on one line."""
    lines = json_text(_records(report) if report.data is None else report.data)
    return re.sub(r"\[\s+(\d[\d,\s]*?)\s+\]", lambda found: f"[{' '.join(found[1].split())}]", lines)


def json_text(data: Any) -> str:
    """Write JSON for people as well: text as it is, control characters and marks of direction as escapes."""
    lines = json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False)
    return "".join(char if char == "\n" or char.isprintable() else json.dumps(char)[1:-1] for char in lines) + "\n"


def as_csv(report: Report) -> str:
    """Write the records of a report as CSV, with all their fields as columns."""
    records = _records(report)
    columns = list(dict.fromkeys(name for record in records for name in record))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(map(cell, columns))
    writer.writerows([_plain(record.get(name)) for name in columns] for record in records)
    return out.getvalue()


def _records(report: Report) -> list[dict[str, Any]]:
    """Return the records that a view gives, else one for each row of its tables."""
    if report.records is not None:
        return list(report.records)
    return [
        ({"table": table.title} if len(report.tables) > 1 else {})
        | ({"section": section.title} if section.title else {})
        | {
            column.head: cell.text if cell.raw is None else cell.raw
            for column, cell in zip(table.columns, row, strict=True)
        }
        for table in report.tables
        for section in table.sections
        for row in section.rows
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, list | dict):
        return cell(" ".join(map(str, value)))
    if isinstance(value, bool):
        return str(value).lower()
    return cell(value) if isinstance(value, str) else value
