"""The lists of methods and protocols."""

from collections.abc import Sequence

from merbench.report.table import Column, Report, Section, Table, name_column, text_cells


def methods_report(methods: Sequence[Sequence[str]]) -> Report:
    """Build the list of methods: name, year, kind, inputs, title, origin."""
    columns = [name_column("Method", wraps=False), Column("Year")]
    columns += [Column(name, align="left", wraps=True) for name in ("Kind", "Inputs", "About")]
    legend = ["merbench methods NAME prints the card of a method: paper, configurations, settings, choices."]
    return Report([Table("", columns, [Section([text_cells(*line) for line in methods])], legend)])


def protocols_report(readable: Sequence[Sequence[str]], others: Sequence[Sequence[str]]) -> Report:
    """Build the list of protocols, name and summary; those whose databases have no reader yet come last."""
    columns = [name_column("Protocol", wraps=False), Column("About", align="left", wraps=True)]
    groups = {"": readable, "No reader for their databases yet": others}
    sections = [Section([text_cells(*line) for line in lines], title) for title, lines in groups.items()]
    legend = ["merbench protocols NAME prints a protocol: source, databases, classes, exclusions, folds, counts."]
    return Report([Table("", columns, [section for section in sections if section.rows], legend)])
