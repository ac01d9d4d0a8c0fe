"""What the leaderboard ranks is declared: the file that ships is valid, and mistakes in one are a line."""

import pytest
from support.cases import each

from merbench.contracts.errors import MerbenchError
from merbench.contracts.yamlfiles import validated
from merbench.engine.plan import declared as module
from merbench.engine.plan.catalogue import METHODS
from merbench.records.declared import MOST, Declared, read_declared


def test_declared_rows_are_of_methods_that_can_be_ranked():
    found = module.declared()
    assert found == read_declared()
    assert len(found.primary) <= MOST
    for name in found.primary:
        method, _, config = name.partition(":")
        registered = METHODS.get(method)
        assert registered.card.facts("not_ranked", registered.resolve(config or "default")) == [], name


def test_mistakes_in_the_declaration_are_one_line(monkeypatch):
    for content, said in each((
        ({"primary": []}, "primary"),
        ({"primary": ["ststnet"] * 2}, "declared twice: ststnet"),
        ({"primary": [f"m{n}" for n in range(MOST + 1)]}, "primary"),
        ({"primary": ["ststnet"], "families": {"nets": ["rcn:a"]}}, "not among the primary rows: rcn:a"),
        ({"primry": ["ststnet"]}, "primry"),
    )):  # fmt: skip
        with pytest.raises(MerbenchError, match=said) as raised:
            validated(Declared, content, "declared.yaml")
        assert len(str(raised.value).splitlines()) == 1
    for name, said in each((
        ("ststnt", "primary: unknown method 'ststnt' .*'ststnet'"),
        ("rcn:a-28px", "primary: rcn has no configuration 'a-28px' .*'a-28px-32'"),
        ("rcn", "primary: rcn has no configuration 'default'"),
        ("database-only:balanced", "is a sanity row, which is never ranked"),
    )):  # fmt: skip
        monkeypatch.setattr(module, "read_declared", lambda: Declared(primary=(name,)))  # noqa: B023
        with pytest.raises(MerbenchError, match=f"^results/declared.yaml, {said}" if "sanity" not in said else said):
            module.declared()
