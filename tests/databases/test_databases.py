from types import SimpleNamespace

import pytest
from support.plugins import forget
from support.refusals import refusal

from merbench.contracts import registry
from merbench.contracts.databases import Database
from merbench.databases import DATABASES


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Return a function that installs a module with given code as a plug-in's database ``mine``."""

    def install(module: str, code: str):
        (tmp_path / f"{module}.py").write_text(code)
        monkeypatch.syspath_prepend(tmp_path)
        package = SimpleNamespace(name="plugin", version="1")
        points = {"merbench.databases": [SimpleNamespace(name="mine", value=f"{module}:DATABASE", dist=package)]}
        monkeypatch.setattr(registry, "entry_points", lambda group: points.get(group, []))
        forget()

    yield install
    forget()


WHOLE = """\
from merbench.contracts.databases import DatabaseCard

class Mine:
    card = DatabaseCard(name="{name}", title="Mine", datasets={{"mine": "Mine"}}, licence="none", source="here")
    def recognises(self, folder): return False
    def read(self, folder, corrections=True): raise NotImplementedError
    def frames(self, folder, path): raise NotImplementedError

DATABASE = Mine()
"""


def test_databases_load_under_their_names_and_unfit_ones_are_refused(plugin):
    whole = WHOLE.format(name="mine")
    plugin("merbench_test_whole", whole)
    assert DATABASES.get("mine").card.title == "Mine"
    items, problems = DATABASES.load_all()
    assert set(items) >= {"casme2", "megc2019-flow28", "mine", "samm", "smic-hs"}
    assert problems == []
    assert all(isinstance(database, Database) and database.card.name == name for name, database in items.items())
    for module, code, expected in (
        ("renamed", WHOLE.format(name="yours"), "calls itself 'yours'"),
        ("number", "DATABASE = 3\n", "needs card, recognises, read"),
        ("frameless", whole.replace("def frames", "def pictures"), "has no frames"),
        ("arrayless", whole.replace('"here"', '"here", offers=()'), "has no arrays"),
        ("cardless", f"{whole}Mine.card = None\n", "needs card, recognises, read"),
    ):
        plugin(f"merbench_test_{module}", code)
        line = refusal(DATABASES.get, "mine", case=module)
        assert "database 'mine' of plugin 1" in line
        assert expected in line
    items, (problem,) = DATABASES.load_all()
    assert "megc2019-flow28" in items
    assert "mine" not in items
    assert "'mine' of plugin 1" in problem.text
