"""The documents are true: the README's table, and the commands, links, modules and files that they name."""

import pkgutil
import re
from pathlib import Path

import pytest

from merbench.analysis.held import hold_all
from merbench.analysis.rows import measured_rows
from merbench.cli import app
from merbench.contracts.specifications import KINDS
from merbench.engine.plan.catalogue import protocol
from merbench.engine.plan.declared import declared
from merbench.engine.plan.truths import truths
from merbench.records.select import read_leaderboard
from merbench.report.views.compare import comparison
from merbench.report.write import write

ROOT = Path(__file__).parents[1]
NAMES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md", "results/README.md")
FOLDERS = ("docs/*.md", "methods/**/README.md")
DOCUMENTS = [*(ROOT / name for name in NAMES), *sorted(path for each in FOLDERS for path in ROOT.glob(each))]


@pytest.fixture(scope="module")
def texts():
    return {path: path.read_text(encoding="utf-8") for path in DOCUMENTS}


def test_readme_shows_the_table_of_the_leaderboard(texts):
    shown = texts[ROOT / "README.md"].partition("<!-- table: begin -->\n")[2].partition("<!-- table: end -->")[0]
    runs = read_leaderboard()
    assert runs.problems == []
    held = hold_all(runs, truths())
    assert held.problems == []
    rows, _ = measured_rows(held.where(protocol="megc2019", data="megc2019-flow28"), declared=declared())
    table = write(comparison([row for row in rows if row.ranked]), "md").strip()
    assert shown.strip() == table, "write it again: uv run python benchmarks/state_of_the_art.py"
    for run in runs:
        assert run.file.key.spec_digest == protocol(run.file.protocol).spec_digest()


def test_commands_in_the_documents_exist(texts):
    known = {command.name or command.callback.__name__.replace("_", "-") for command in app.registered_commands}
    known |= {group.name for group in app.registered_groups}
    for path, text in texts.items():
        blocks = "\n".join(re.findall(r"```sh\n(.+?)```", text, flags=re.S))
        used = set(re.findall(r"^(?:uv run )?merbench ([a-z-]+)", blocks, flags=re.M))
        assert used | set(re.findall(r"`merbench ([a-z][a-z-]+)", text)) <= known, path


def test_links_between_documents_have_targets(texts):
    for path, text in texts.items():
        for file, _, anchor in re.findall(r"\]\(([^)#\s]*)(#([^)\s]+))?\)", text):
            target = path.parent / file if file else path
            if not file.startswith("http"):
                assert target.exists(), f"{path.name} links to {file}"
                assert not anchor or anchor in anchors(target), f"{path.name} links to {file}#{anchor}"


def test_every_document_can_be_reached_from_the_readme(texts):
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        reached.add(path := waiting.pop())
        links = re.findall(r"\]\(([^)#\s]+)", texts[path])
        found = {(path.parent / link).resolve() for link in links if not link.startswith("http")}
        waiting += (found & texts.keys()) - reached
    assert not texts.keys() - reached


def anchors(path):
    """Return the anchors of a document's headings, as GitHub names them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), flags=re.M)
    return {re.sub(r"[^\w\s-]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_modules_and_files_in_the_documents_exist(texts):
    for path, text in texts.items():
        for name in set(re.findall(r"`((?:merbench|methods|protocols|tests|benchmarks|docs)/[\w/.-]+)`", text)):
            assert "my_method" in name or (ROOT / name).exists(), f"{path.name} names {name}"
        for name in set(re.findall(r"\bmerbench(?:\.[a-z_]\w*)+(?:\.\w+)?", text)) - {KINDS.group}:
            assert pkgutil.resolve_name(name), f"{path.name} names {name}"
