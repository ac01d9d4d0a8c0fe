from types import SimpleNamespace

import pytest
from support.plugins import forget

from merbench.contracts import registry
from merbench.contracts.databases import Database
from merbench.contracts.errors import MerbenchError
from merbench.databases import DATABASES


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Return a function that installs a module with given code as a plug-in's database ``mine``."""

    def install(module: str, code: str):
        (tmp_path / f"{module}.py").write_text(code)
        monkeypatch.syspath_prepend(tmp_path)
        point = SimpleNamespace(
            name="mine", value=f"{module}:DATABASE", dist=SimpleNamespace(name="plugin", version="1")
        )
        monkeypatch.setattr(registry, "entry_points", lambda group: [point] if group == "merbench.databases" else [])
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


def test_every_database_of_the_library_loads_under_its_name():
    items, problems = DATABASES.load_all()
    assert set(items) >= {"casme2", "megc2019-flow28", "samm", "smic-hs"}
    assert problems == []
    for name, database in items.items():
        assert isinstance(database, Database)
        assert database.card.name == name


def test_a_plugins_database_is_found(plugin):
    plugin("merbench_test_whole", WHOLE.format(name="mine"))
    assert DATABASES.get("mine").card.title == "Mine"


def test_a_database_that_calls_itself_otherwise_is_refused(plugin):
    plugin("merbench_test_renamed", WHOLE.format(name="yours"))
    with pytest.raises(MerbenchError, match="database 'mine' of plugin 1 calls itself 'yours'"):
        DATABASES.get("mine")


def test_an_object_that_is_no_database_is_refused_with_what_it_lacks(plugin):
    plugin("merbench_test_number", "DATABASE = 3\n")
    with pytest.raises(MerbenchError, match=r"database 'mine' of plugin 1: .* lacks card, recognises or read"):
        DATABASES.get("mine")


def test_a_database_whose_card_is_no_card_is_reported_and_harms_nobody_else(plugin):
    plugin("merbench_test_cardless", WHOLE.format(name="mine") + "Mine.card = None\n")
    items, problems = DATABASES.load_all()
    assert "megc2019-flow28" in items
    assert "mine" not in items
    assert len(problems) == 1
    assert "'mine' of plugin 1" in problems[0]


def test_a_database_without_what_its_card_says_it_has_is_refused(plugin):
    plugin("merbench_test_frameless", WHOLE.replace("def frames", "def pictures").format(name="mine"))
    with pytest.raises(MerbenchError, match=r"'mine' of plugin 1: its card offers no ready-made inputs, but frames is"):
        DATABASES.get("mine")
    plugin("merbench_test_arrayless", WHOLE.replace('"here"', '"here", offers=()').format(name="mine"))
    with pytest.raises(MerbenchError, match=r"'mine' of plugin 1: its card offers ready-made inputs, but arrays is"):
        DATABASES.get("mine")
