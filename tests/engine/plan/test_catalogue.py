import sys
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from pydantic import Field
from support.cases import each
from support.refusals import refusal
from support.toy_package import plug_in, swap

from merbench.contracts.cards import Card
from merbench.contracts.errors import MerbenchError, SetupError
from merbench.contracts.methods import MethodConfig
from merbench.contracts.notes import Note
from merbench.contracts.registry import Entry
from merbench.contracts.yamlfiles import load_yaml_model as load
from merbench.engine.plan import catalogue
from merbench.engine.plan.catalogue import (
    METHODS,
    PROTOCOLS,
    RegisteredMethod,
    method_card,
    method_folder,
    protocol,
    protocol_argument,
)
from merbench.splits.made import crossed


class Config(MethodConfig):
    epochs: int = Field(10, ge=1)
    learning_rate: float = Field(0.1, gt=0)
    shuffle: bool = False
    kernel: Literal["rbf", "linear"] = "rbf"
    weights: str | None = "balanced"
    gamma: float | str = "scale"
    sizes: tuple[int, ...] = (1,)


@pytest.fixture
def mine():
    card = Card(
        name="mine", title="Mine", summary="A method.", implementation="method:Mine",
        configurations={"default": {"kernel": "linear"}, "quick": {"epochs": 2}},
    )  # fmt: skip
    return RegisteredMethod(card, type("Mine", (), {"Config": Config}), Config, Path(), "test", "")


def test_configurations_override_defaults_and_settings_override_both(mine):
    assert mine.resolve() == Config(kernel="linear")
    assert mine.resolve("quick") == Config(epochs=2)
    assert mine.resolve("quick", {"learning_rate": "1e-2", "epochs": "5"}) == Config(epochs=5, learning_rate=0.01)
    assert mine.card.configurations["quick"] == {"epochs": 2}
    renamed = replace(mine, card=mine.card.model_copy(update={"default": "quick"}))
    assert renamed.resolve() == renamed.resolve("quick") == Config(epochs=2)
    assert renamed.resolve(settings={"kernel": "linear"}) == Config(epochs=2, kernel="linear")
    assert renamed.usual_config == "quick"
    here = replace(mine, card=mine.card.model_copy(update={"cpu": "quick"}))  # its class does not use torch
    assert (here.device, here.usual_config) == ("cpu", "quick")


def test_settings_are_read_as_yaml(mine):
    for key, text, value in each((
        ("epochs", "3", 3), ("learning_rate", "1e-3", 0.001), ("learning_rate", "1E3", 1000.0),
        ("learning_rate", "2", 2.0), ("shuffle", "true", True), ("shuffle", "false", False), ("kernel", "rbf", "rbf"),
        ("weights", "null", None), ("gamma", "1e-3", 0.001), ("gamma", "scale", "scale"), ("sizes", "[4, 5]", (4, 5)),
    )):  # fmt: skip
        found = getattr(mine.resolve(settings={key: text}), key)
        assert (found, type(found)) == (value, type(value))


def test_settings_and_configurations_that_do_not_fit_are_named(mine):
    for key, text, said in (
        ("epoch", "3", "unknown key 'epoch' .*'epochs'"),
        ("Epochs", "3", "unknown key 'Epochs' .*'epochs'"),
        ("epochs", "many", "epochs: .*'many'$"),
        ("epochs", "1.5", "epochs: "),
        ("epochs", "0", "epochs: .* 0$"),
        ("epochs", "1:30", "epochs: .*'1:30'$"),
        ("epochs", "[" * 100_000, "epochs: "),
        ("epochs", "[1]", "epochs: "),
        ("epochs", "@", "epochs: .*'@'$"),
        ("epochs", "2020-13-45", "epochs: "),  # a date that does not exist
        ("learning_rate", "nan", "learning_rate: "),
        ("shuffle", "3", "shuffle: .* 3$"),
        ("kernel", "poly", "kernel: .*'rbf' or 'linear', not 'poly'$"),
        ("sizes", "4", "sizes: .* 4$"),
    ):
        with pytest.raises(MerbenchError, match=f"^settings of mine: {said}"):
            mine.resolve(settings={key: text})
    for name, said in (("quik", r"\(did you mean 'quick'\?\)"), ("xyzzy", r"\(known: default, quick\)")):
        with pytest.raises(MerbenchError, match=rf"^method mine has no configuration '{name}' {said}$"):
            mine.resolve(name)


def test_every_method_and_protocol_loads_under_its_name():
    items, problems = METHODS.load_all()
    assert problems == []
    assert {"majority", "stratified-random", "ststnet", "svm-flow"} <= set(items)
    for name, method in each(items.items()):
        assert method.card.name == name
        assert (method.folder / "card.yaml").is_file()
        assert all(isinstance(method.resolve(each), MethodConfig) for each in method.card.configurations)
    items, problems = PROTOCOLS.load_all()
    assert problems == []
    assert "megc2019" in items
    assert [spec.name for spec in items.values()] == list(items)


def test_protocols_are_found_by_name_pattern_or_file(small_protocol, tmp_path):
    capitals = tmp_path / "SMALL.YAML"
    capitals.write_bytes(small_protocol.read_bytes())
    for argument, name in each((
        ("megc2019", "megc2019"), ("cdmer-c-h", "cdmer-c-h"), ("lodo:samm+casme2", "lodo-casme2.samm"),
        ("cross:casme2+samm->smic-hs", "cross-casme2.samm-to-smic-hs"),
        (str(small_protocol), "small"), (str(capitals), "small"),
    )):  # fmt: skip
        found = protocol(argument)
        assert (found.name, found.known_as) == (name, argument)
    with pytest.raises(MerbenchError, match=r"unknown protocol 'megc2091' \(did you mean 'megc2019' or"):
        protocol("megc2091")
    with pytest.raises(MerbenchError, match=r"absent\.yaml can't be read"):
        protocol(str(small_protocol.with_name("absent.yaml")))


def test_a_crossed_protocol_is_found_under_the_name_that_its_runs_record():
    for recorded, pattern in (
        ("cross-casme2.samm-to-smic-hs", "cross:casme2+samm->smic-hs"),
        ("lodo-4dme.cas-me-2", "lodo:4dme+cas-me-2"),
    ):
        assert protocol(recorded).spec_digest() == protocol(pattern).spec_digest()
        assert (protocol(recorded).name, protocol_argument(recorded)) == (recorded, (pattern, ""))
    for recorded in ("cross-casme2", "lodo-casme9.samm", "lodo-", "cross-casme2-to-", "mine"):
        assert protocol_argument(recorded)[0] == "FILE", recorded
        with pytest.raises(MerbenchError, match="unknown protocol"):
            protocol(recorded)


def test_the_folder_of_a_method_is_its_package(tmp_path, monkeypatch):
    (tmp_path / "kit_of_mine" / "net").mkdir(parents=True)
    for name in ("kit_of_mine/__init__", "kit_of_mine/net/__init__", "kit_of_mine/net/method", "alone_of_mine"):
        (tmp_path / f"{name}.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    for module, package in each(
        (("kit_of_mine.net", "kit_of_mine.net"), ("kit_of_mine.net.method", "kit_of_mine.net"), ("alone_of_mine", ""))
    ):
        found = method_folder(Entry("mine", f"{module}:Mine", "tests"))
        assert found == (tmp_path.joinpath(*package.split(".")), package)
    sys.modules.pop("kit_of_mine", None)


def test_files_may_not_have_the_name_of_a_pattern(small_protocol):
    assert crossed("lodo:smic-hs+casme2+samm").name == "lodo-casme2.samm.smic-hs"
    text = small_protocol.read_text()
    for name in ("lodo-casme2.samm.smic-hs", "cross-mine"):
        small_protocol.write_text(text.replace("name: small", f"name: {name}"))
        with pytest.raises(MerbenchError, match=rf"small\.yaml .*'{name}'"):
            protocol(str(small_protocol))


def test_files_under_a_registered_name_must_agree_with_it(tmp_path):
    text = (Path(str(files("merbench.protocols"))) / "samm-8.yaml").read_text(encoding="utf-8")
    path = tmp_path / "copy.yaml"
    path.write_text(text, encoding="utf-8")
    assert protocol(str(path)).spec_digest() == protocol("samm-8").spec_digest()  # a plain copy is the protocol
    for old, new in each((
        ("clips: 159", "clips: 33"), ("  clips: 159\n", ""), ("surprise: 15, ", ""),
        (text[text.index("expected:") :], ""), ("folds: leave-one-subject-out", "folds: leave-one-video-out"),
    )):  # fmt: skip
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")
        with pytest.raises(MerbenchError, match=r"copy\.yaml calls itself 'samm-8'"):
            protocol(str(path))


CARD = "name: mine\ntitle: Mine\nsummary: A method.\nimplementation: method:Mine\n"
CODE = """\
from merbench.contracts.methods import MethodConfig
from merbench.contracts.registry import Entry
from merbench.contracts.yamlfiles import load_yaml_model as load

class Mine:
    Config = MethodConfig
    def __init__(self, config, problem): ...
    def fit(self, train, run): ...
    def predict(self, inputs): ...
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Return a function that installs a package with a method ``mine``, or a protocol."""

    def install(card=CARD, code=CODE, target="method:Mine", group="methods", name="mine", patch=monkeypatch):
        return plug_in(tmp_path, patch, name, card, {"method.py": code}, group, target)

    return install


def test_cards_are_read_from_the_methods_folder_without_importing_it(plugin):
    folder = plugin(code="raise RuntimeError('run')\n")
    assert method_card(METHODS.entry("mine")).title == "Mine"
    assert f"{folder.name}.method" not in sys.modules
    (folder / "method.py").write_text(CODE)
    found = METHODS.get("mine")
    assert (found.card.title, found.folder, found.origin) == ("Mine", folder, f"{folder.name} 1.0")
    assert found.cls.__name__ == "Mine"


A_PROTOCOL = {"card": None, "target": "method:PROTOCOL", "group": "protocols"}
BROKEN_METHODS = (
    ({"card": None}, r"card\.yaml is missing"),
    ({"card": CARD.replace("mine", "yours")}, "'yours'.*'mine'"),
    ({"card": CARD + "titel: x\n"}, r"card\.yaml, line 5: unknown key 'titel' .*'title'"),
    ({"code": "Mine = 3\n"}, "Config, fit, predict"),
    ({"code": CODE.replace("predict", "guess")}, "predict"),
    ({"code": CODE.replace("= MethodConfig", "= dict")}, "MethodConfig"),
    ({"code": CODE + "Mine = Mine(None, None)\n"}, "'mine' of {} 1.0"),
    ({"code": "1 / 0\n"}, "'mine' of {} 1.0 .*division by zero"),
    ({"target": "absent:Mine"}, "'mine' of {} 1.0: .*absent"),
)
BROKEN_PROTOCOLS = (
    ({"code": "PROTOCOL = 3\n"}, "'mine' of {} 1.0"),
    ({"code": "from merbench.protocols import megc2019 as PROTOCOL\n"}, "'megc2019'"),
)


def test_broken_plug_ins_are_named_and_affect_no_other(plugin):
    for registry, common, cases, other in (
        (METHODS, {}, BROKEN_METHODS, "majority"),
        (PROTOCOLS, A_PROTOCOL, BROKEN_PROTOCOLS, "megc2019"),
    ):
        for options, said in each(cases):
            with pytest.MonkeyPatch.context() as patch:
                folder = plugin(patch=patch, **common | options)
                with pytest.raises(MerbenchError, match=said.format(folder.name)):
                    registry.get("mine")
                items, problems = registry.load_all()
                assert other in items
                assert "mine" not in items
                assert len(problems) == 1


def test_required_packages_are_checked_before_anything_is_imported(plugin):
    for requires, said in each((
        ("no-such-package>=2", "pip install 'no-such-package>=2'"),
        ("numpy>=99", f"pip install 'numpy>=99' (numpy {np.__version__} is installed)"),
    )):  # fmt: skip
        with pytest.MonkeyPatch.context() as patch:
            folder = plugin(card=f"{CARD}requires: [{requires}]\n", patch=patch)
            for file in ("__init__.py", "method.py"):
                (folder / file).write_text("import no_such_package\n")
            line = refusal(METHODS.get, "mine", error=SetupError)
            assert line == f"method 'mine' of {folder.name} 1.0 is not installed: {said}"
            assert folder.name not in sys.modules
            items, problems = METHODS.load_all()
            assert ("majority" in items, problems) == (True, [Note("note", line)])  # it is not broken
    inputs = "inputs: {{x: {{kind: of-that-package}}}}\n"
    card = plugin(card=f"{CARD}requires: [no-such-package]\n{inputs}") / "card.yaml"
    assert refusal(METHODS.get, "mine", error=SetupError).endswith("pip install 'no-such-package'")
    swap(card, "no-such-package", "no such package")
    assert "unknown input kind 'of-that-package'" in refusal(METHODS.get, "mine")
    card.write_text(f"{CARD}requires: [numpy>=1]\n")
    METHODS.forget()
    assert METHODS.get("mine").card.requires == ("numpy>=1",)


def test_a_package_that_lacks_what_it_requires_itself_is_not_installed(plugin):
    folder = plugin(code="import no_such_package\n")
    assert "can't be loaded from" in refusal(METHODS.get, "mine")  # nobody said that it is required
    (metadata,) = folder.parent.glob("*.dist-info/METADATA")
    metadata.write_text(metadata.read_text() + "Requires-Dist: no-such-package>=2\nRequires-Dist: numpy\n")
    line = refusal(METHODS.get, "mine", error=SetupError)
    said = f"'mine' of {folder.name} 1.0 is not installed: pip install 'no-such-package>=2'; ModuleNotFoundError("
    assert line.startswith(said)


def test_plug_in_protocols_are_files_but_not_of_a_patterns_name(plugin, small_protocol):
    text = small_protocol.read_text()
    code = f"from pathlib import Path\nPROTOCOL = Path({str(small_protocol)!r})\n"
    for name in ("mine", "lodo-casme2.samm"):
        small_protocol.write_text(text.replace("name: small", f"name: {name}"))
        folder = plugin(code=code, name=name, **A_PROTOCOL)
        if name == "mine":
            assert PROTOCOLS.get("mine").title == "Small"
    with pytest.raises(MerbenchError, match=rf"the protocol of {folder.name} 1\.0 .*'lodo-casme2\.samm'"):
        PROTOCOLS.get("lodo-casme2.samm")


def test_damaged_cards_of_built_in_methods_are_named(tmp_path, monkeypatch):
    cards = {"mine": CARD, "one": "title: Broken\n", "two": "name: [broken\n", "three": "- broken\n", "four": ""}
    for name, content in cards.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "card.yaml").write_text(content)
    monkeypatch.setattr(catalogue, "files", lambda package: tmp_path)
    METHODS.forget()
    assert METHODS.entry("mine").target == "merbench.methods.mine.method:Mine"
    problems = METHODS.load_all()[1]
    for name in list(cards)[1:]:
        with pytest.raises(MerbenchError, match=name):
            METHODS.get(name)
        assert any(name in problem.text for problem in problems)
    METHODS.forget()


def test_cards_are_parsed_once_a_process(monkeypatch):
    parsed = []
    monkeypatch.setattr(catalogue, "load_yaml_model", lambda path, model: parsed.append(path) or load(path, model))
    METHODS.forget()
    for _ in range(3):
        METHODS.names()
        for name in ("svm-flow", "majority", "ststnet"):
            METHODS.get(name)
    assert len(parsed) == len(set(parsed)) == len(METHODS.names())
