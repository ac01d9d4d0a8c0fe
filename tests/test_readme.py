"""The README shows what merbench prints, and names commands that exist."""

import re
from pathlib import Path

from merbench.analysis.rows import measured_rows
from merbench.cli import app
from merbench.engine.plan.catalogue import PROTOCOLS
from merbench.records.entries import read_leaderboard
from merbench.report.views.compare import Comparison
from merbench.report.write.paper import as_markdown

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readmes_table_is_the_one_that_compare_makes_of_the_leaderboard():
    shown = README.partition("<!-- table:begin -->\n")[2].partition("<!-- table:end -->")[0]
    runs, problems = read_leaderboard()
    assert problems == []
    assert shown.strip() == as_markdown(Comparison(measured_rows(runs)[0], [], [])).strip()


def test_leaderboard_rows_are_of_the_protocols_as_they_stand():
    runs, _ = read_leaderboard()
    for run in runs:
        assert run.file.key.spec_digest == PROTOCOLS.get(run.file.protocol).spec_digest()


def test_every_command_in_the_documents_exists():
    known = {command.name or command.callback.__name__.replace("_", "-") for command in app.registered_commands}
    known |= {group.name for group in app.registered_groups}
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        used = set(re.findall(r"^(?:uv run )?merbench ([a-z-]+)", path.read_text(encoding="utf-8"), flags=re.M))
        assert used <= known, path


def test_links_between_documents_lead_somewhere():
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))):
        for target in re.findall(r"\]\(([^)#\s]+)", path.read_text(encoding="utf-8")):
            if not target.startswith("http"):
                assert (path.parent / target).exists(), f"{path.name} links to {target}"
