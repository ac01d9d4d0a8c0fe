"""Reports written in any format: a file a format, named here."""

from importlib import import_module

from merbench.report.table import Report

#: Format -> module, which has ``as_<format>(report) -> str``; ``terminal`` prints on a terminal.
FORMATS = {"md": "markdown", "latex": "latex", "html": "html", "csv": "data", "json": "data"}


def write(report: Report, format: str) -> str:
    """Write a report as text; it ends with a line break."""
    module = import_module(f"merbench.report.write.{FORMATS[format]}")
    writer = getattr(module, f"as_{format}")
    return str(writer(report)).rstrip("\n") + "\n"
