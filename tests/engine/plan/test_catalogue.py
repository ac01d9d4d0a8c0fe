import sys
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import pytest
from pydantic import Field
from support.plugins import forget

from merbench.contracts import registry
from merbench.contracts.cards import Card
from merbench.contracts.errors import MerbenchError
from merbench.contracts.methods import MethodConfig
from merbench.contracts.registry import Entry
from merbench.contracts.yamlfiles import load_yaml_model as load
from merbench.engine.plan import catalogue
from merbench.engine.plan.catalogue import METHODS, PROTOCOLS, RegisteredMethod, method_card, method_folder, protocol
from merbench.splits.made import crossed


class Config(MethodConfig):
    epochs: int = Field(10, ge=1)
    learning_rate: float = Field(0.1, gt=0)
    shuffle: bool = False
    kernel: Literal["rbf", "linear"] = "rbf"
    weights: str | None = "balanced"
    gamma: float | str = "scale"
    sizes: tuple[int, ...] = (1,)


class Mine:
    Config = Config

    def __init__(self, config, problem): ...

    def fit(self, train, run): ...

    def predict(self, inputs): ...


@pytest.fixture
def mine():
    card = Card(
        name="mine",
        title="Mine",
        summary="A method.",
        implementation="method:Mine",
        configurations={"default": {"kernel": "linear"}, "quick": {"epochs": 2}},
    )
    return RegisteredMethod(card, Mine, Config, Path(), "test", "")


def test_configurations_override_the_defaults_of_the_settings(mine):
    assert mine.resolve() == Config(kernel="linear")
    assert mine.resolve("quick") == Config(epochs=2)


def test_the_default_configuration_of_the_card_is_used(mine):
    renamed = replace(mine, card=mine.card.model_copy(update={"default": "quick"}))
    assert renamed.resolve() == renamed.resolve("quick") == Config(epochs=2)
    assert renamed.resolve(settings={"kernel": "linear"}) == Config(epochs=2, kernel="linear")
    assert renamed.usual_config == "quick"


def test_methods_without_torch_use_the_cpu_configuration(mine):
    here = replace(mine, card=mine.card.model_copy(update={"cpu": "quick"}))
    assert (here.device, here.usual_config) == ("cpu", "quick")


def test_settings_are_read_as_yaml(mine):
    for key, text, value in (
        ("epochs", "3", 3),
        ("learning_rate", "1e-3", 0.001),
        ("learning_rate", "1E3", 1000.0),
        ("learning_rate", "2", 2.0),
        ("shuffle", "true", True),
        ("shuffle", "false", False),
        ("kernel", "rbf", "rbf"),
        ("weights", "null", None),
        ("gamma", "1e-3", 0.001),
        ("gamma", "scale", "scale"),
        ("sizes", "[4, 5]", (4, 5)),
    ):
        found = getattr(mine.resolve(settings={key: text}), key)
        assert (found, type(found)) == (value, type(value))


def test_settings_override_the_named_configuration(mine):
    assert mine.resolve("quick", {"learning_rate": "1e-2", "epochs": "5"}) == Config(epochs=5, learning_rate=0.01)
    assert mine.card.configurations["quick"] == {"epochs": 2}


def test_settings_that_do_not_fit_are_named(mine):
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


def test_unknown_configurations_are_named_with_close_ones(mine):
    with pytest.raises(MerbenchError, match=r"^method mine has no configuration 'quik' \(did you mean 'quick'\?\)$"):
        mine.resolve("quik")
    with pytest.raises(MerbenchError, match=r"'xyzzy' \(known: default, quick\)$"):
        mine.resolve("xyzzy")


def test_every_method_loads_and_its_configurations_resolve():
    items, problems = METHODS.load_all()
    assert problems == []
    assert {"majority", "stratified-random", "ststnet", "svm-flow"} <= set(items)
    for name, method in items.items():
        assert method.card.name == name
        assert (method.folder / "card.yaml").is_file()
        for configuration in method.card.configurations:
            assert isinstance(method.resolve(configuration), MethodConfig)


def test_every_protocol_loads_under_its_name():
    items, problems = PROTOCOLS.load_all()
    assert problems == []
    assert "megc2019" in items
    assert [spec.name for spec in items.values()] == list(items)


def test_protocols_are_found_by_name_or_file(small_protocol, tmp_path):
    assert protocol("megc2019").name == "megc2019"
    assert protocol(str(small_protocol)).name == "small"
    capitals = tmp_path / "SMALL.YAML"
    capitals.write_bytes(small_protocol.read_bytes())
    assert protocol(str(capitals)).name == "small"
    with pytest.raises(MerbenchError, match=r"unknown protocol 'megc2091' \(did you mean 'megc2019' or"):
        protocol("megc2091")
    with pytest.raises(MerbenchError, match=r"absent\.yaml can't be read"):
        protocol(str(small_protocol.with_name("absent.yaml")))


@pytest.mark.parametrize(
    ("module", "package"),
    [("kit_of_mine.net", "kit_of_mine.net"), ("kit_of_mine.net.method", "kit_of_mine.net"), ("alone_of_mine", "")],
)
def test_the_folder_of_a_method_is_its_package(tmp_path, monkeypatch, module, package):
    folder = tmp_path / "kit_of_mine" / "net"
    folder.mkdir(parents=True)
    for name in (
        "kit_of_mine/__init__.py",
        "kit_of_mine/net/__init__.py",
        "kit_of_mine/net/method.py",
        "alone_of_mine.py",
    ):
        (tmp_path / name).touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    found = method_folder(Entry("mine", f"{module}:Mine", "tests"))
    assert found == (folder if package else tmp_path, package)
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
    for old, new in (
        ("clips: 159", "clips: 33"),
        ("  clips: 159\n", ""),
        ("surprise: 15, ", ""),
        (text[text.index("expected:") :], ""),
        ("folds: leave-one-subject-out", "folds: leave-one-video-out"),
    ):
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")
        with pytest.raises(MerbenchError, match=r"copy\.yaml calls itself 'samm-8'"):
            protocol(str(path))


def test_protocols_know_the_argument_they_were_found_by(small_protocol):
    for words in ("megc2019", "cdmer-c-h", "lodo:samm+casme2", str(small_protocol)):
        assert protocol(words).known_as == words


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
    """Return a function that installs a package with a method ``mine``, or a protocol, as a plug-in."""

    def install(
        package: str,
        card: str | None = CARD,
        code: str = CODE,
        target: str = "method:Mine",
        kind: str = "methods",
        name: str = "mine",
    ):
        folder = tmp_path / package
        folder.mkdir()
        (folder / "__init__.py").write_text("")
        (folder / "method.py").write_text(code)
        if card is not None:
            (folder / "card.yaml").write_text(card)
        point = SimpleNamespace(
            name=name, value=f"{package}.{target}", dist=SimpleNamespace(name="plugin", version="1")
        )
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setattr(registry, "entry_points", lambda group: [point] if group == f"merbench.{kind}" else [])
        forget()
        return folder

    yield install
    forget()


def test_plug_in_methods_have_the_card_of_their_folder(plugin):
    folder = plugin("merbench_test_whole_method")
    found = METHODS.get("mine")
    assert (found.card.title, found.folder, found.origin) == ("Mine", folder, "plugin 1")
    assert found.cls.__name__ == "Mine"


def test_cards_are_read_without_importing_the_method(plugin):
    plugin("merbench_test_unrun_method", code="raise RuntimeError('run')\n")
    assert method_card(METHODS.entry("mine")).title == "Mine"
    assert "merbench_test_unrun_method.method" not in sys.modules


def test_broken_plug_in_methods_are_named_and_affect_no_other(plugin):
    for number, (options, said) in enumerate(
        (
            ({"card": None}, r"card\.yaml is missing"),
            ({"card": CARD.replace("mine", "yours")}, "'yours'.*'mine'"),
            ({"card": CARD + "titel: x\n"}, r"card\.yaml, line 5: unknown key 'titel' .*'title'"),
            ({"code": "Mine = 3\n"}, "Config, fit, predict"),
            ({"code": CODE.replace("predict", "guess")}, "predict"),
            ({"code": CODE.replace("= MethodConfig", "= dict")}, "MethodConfig"),
            ({"code": CODE + "Mine = Mine(None, None)\n"}, "'mine' of plugin 1"),
            ({"code": "1 / 0\n"}, "'mine' of plugin 1 .*division by zero"),
            ({"target": "absent:Mine"}, "'mine' of plugin 1 .*absent"),
        )
    ):
        plugin(f"merbench_test_m{number}", **options)
        with pytest.raises(MerbenchError, match=said):
            METHODS.get("mine")
        items, problems = METHODS.load_all()
        assert "majority" in items
        assert "mine" not in items
        assert len(problems) == 1


def test_plug_in_protocols_are_paths_or_specifications(plugin, small_protocol):
    code = f"from pathlib import Path\nPROTOCOL = Path({str(small_protocol)!r})\n"
    small_protocol.write_text(small_protocol.read_text().replace("name: small", "name: mine"))
    plugin("merbench_test_protocol", code=code, target="method:PROTOCOL", kind="protocols")
    assert PROTOCOLS.get("mine").title == "Small"


def test_plug_in_protocols_may_not_have_the_name_of_a_pattern(plugin, small_protocol):
    code = f"from pathlib import Path\nPROTOCOL = Path({str(small_protocol)!r})\n"
    small_protocol.write_text(small_protocol.read_text().replace("name: small", "name: lodo-casme2.samm"))
    plugin("merbench_test_taken", code=code, target="method:PROTOCOL", kind="protocols", name="lodo-casme2.samm")
    with pytest.raises(MerbenchError, match=r"the protocol of plugin 1 .*'lodo-casme2\.samm'"):
        PROTOCOLS.get("lodo-casme2.samm")


def test_broken_plug_in_protocols_are_named_and_affect_no_other(plugin):
    for number, (code, said) in enumerate(
        (
            ("PROTOCOL = 3\n", "'mine' of plugin 1"),
            ("from merbench.protocols import megc2019 as PROTOCOL\n", "'megc2019'"),
        )
    ):
        plugin(f"merbench_test_p{number}", code=code, target="method:PROTOCOL", kind="protocols")
        with pytest.raises(MerbenchError, match=said):
            PROTOCOLS.get("mine")
        items, problems = PROTOCOLS.load_all()
        assert "megc2019" in items
        assert len(problems) == 1


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
        assert any(name in problem for problem in problems)
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
