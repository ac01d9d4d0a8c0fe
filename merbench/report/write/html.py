"""Reports as one HTML page that needs nothing else and opens offline; everything from outside is escaped."""

from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING

from merbench.contracts.names import shown_lines
from merbench.report.table import Column, Report

if TYPE_CHECKING:
    from jinja2 import Environment

STYLE = """\
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; color: #1a1a1a; }
figure { margin: 0 0 2.5rem; overflow-x: auto; }
table { border-collapse: collapse; border-top: 2px solid; border-bottom: 2px solid; }
caption { text-align: left; font-weight: 600; padding-bottom: .5rem; }
th, td { padding: .25rem .6rem; text-align: right; vertical-align: top; white-space: pre-line; }
th.left, td.left { text-align: left; }
thead { border-bottom: 1px solid; }
thead th.group { text-align: center; border-bottom: 1px solid #999; }
tbody + tbody { border-top: 1px solid #999; }
tbody th { text-align: left; font-style: italic; font-weight: normal; }
td small { display: block; color: #555; }
sup { position: absolute; line-height: 1; }
td.best b, td.second u { text-decoration-thickness: 1px; }
figcaption, ul { color: #444; font-size: 13px; }
li.warning, li.problem { color: #8a3b00; }
pre { background: #f2f2f2; padding: .6rem; overflow-x: auto; }
"""

TABLES = """\
{% for table in report.tables %}
<figure>
<table>
{% if table.title %}<caption>{{ table.title|shown }}</caption>
{% endif %}
<thead>
{% set spans = table.columns|spans %}
{% if spans %}<tr>{% for group, width in spans %}<th class="group" colspan="{{ width }}">{{ group|shown }}</th>\
{% endfor %}</tr>
{% endif %}
<tr>{% for column in table.columns %}<th class="{{ column.align }}">{{ column.title|shown }}</th>{% endfor %}</tr>
</thead>
{% for section in table.sections %}
<tbody>
{% if section.title %}<tr><th colspan="{{ table.columns|length }}">{{ section.title|shown }}</th></tr>
{% endif %}
{% for row in section.rows %}
<tr>{% for cell in row %}<td class="{{ table.columns[loop.index0].align }}{{ ["", " best", " second"][cell.place] }}">\
{% if cell.place == 1 %}<b>{{ cell.text|shown }}</b>{% elif cell.place == 2 %}<u>{{ cell.text|shown }}</u>\
{% else %}{{ cell.text|shown }}{% endif %}{% if cell.mark %}<sup>{{ cell.mark|shown }}</sup>{% endif %}\
{% if cell.detail %}<small>{{ cell.detail|shown }}</small>{% endif %}</td>{% endfor %}</tr>
{% endfor %}
</tbody>
{% endfor %}
</table>
{% if table.legend or table.notes %}<figcaption>
{% for line in table.legend %}<p>{{ line|shown }}</p>
{% endfor %}
{% if table.notes %}<ul>
{% for note in table.notes %}<li class="{{ note.kind }}">{{ note.text|shown }}</li>
{% endfor %}
</ul>
{% endif %}
</figcaption>
{% endif %}
</figure>
{% endfor %}
{% if report.command %}<pre>{{ report.command|shown }}</pre>
{% endif %}
"""

PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title|shown }}</title>
<style>
{{ style }}</style>
</head>
<body>
{{ tables }}</body>
</html>
"""


def as_html(report: Report) -> str:
    """Write a report as a page of its own."""
    from markupsafe import Markup

    title = next((table.title for table in report.tables if table.title), "merbench")
    page = _environment().from_string(PAGE)
    return page.render(title=title, style=Markup(STYLE), tables=Markup(html_tables(report)))  # noqa: S704


def html_tables(report: Report) -> str:
    """Write the tables of a report for a page that has a head and a style already."""
    return _environment().from_string(TABLES).render(report=report)


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, StrictUndefined

    made = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters["shown"] = shown_lines
    made.filters["spans"] = _spans
    return made


def _spans(columns: list[Column]) -> list[tuple[str, int]]:
    """Return the heads that neighbouring columns share, and how many share each; nothing where there are none."""
    spans = [(group, len(list(members))) for group, members in groupby(columns, key=lambda column: column.group)]
    return spans if any(group for group, _ in spans) else []
