import re
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
from merbench.contracts.errors import MerbenchError, UnknownNameError
from merbench.contracts.methods import MethodConfig
from merbench.contracts.registry import Entry
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


def test_a_configuration_is_what_the_card_says_over_the_methods_own_defaults(mine):
    assert mine.resolve() == Config(kernel="linear")
    assert mine.resolve("quick") == Config(epochs=2)


def test_where_none_is_named_the_cards_default_configuration_is_meant(mine):
    renamed = replace(mine, card=mine.card.model_copy(update={"default": "quick"}))
    assert renamed.resolve() == renamed.resolve("quick") == Config(epochs=2)
    assert renamed.resolve(settings={"kernel": "linear"}) == Config(epochs=2, kernel="linear")
    assert renamed.usual_config == "quick"


def test_a_method_without_torch_takes_the_configuration_for_machines_without_a_gpu(mine):
    here = replace(mine, card=mine.card.model_copy(update={"cpu": "quick"}))
    assert (here.device, here.usual_config) == ("cpu", "quick")


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("epochs", "3", 3),
        ("learning_rate", "1e-3", 0.001),
        ("learning_rate", "1E3", 1000.0),
        ("learning_rate", "0.5", 0.5),
        ("learning_rate", "2", 2.0),
        ("shuffle", "true", True),
        ("shuffle", "false", False),
        ("kernel", "rbf", "rbf"),
        ("weights", "null", None),
        ("gamma", "1e-3", 0.001),
        ("gamma", "scale", "scale"),
        ("sizes", "[4, 5]", (4, 5)),
    ],
)
def test_a_setting_is_read_as_the_type_that_it_looks_like(mine, key, text, value):
    found = getattr(mine.resolve(settings={key: text}), key)
    assert found == value
    assert type(found) is type(value)


def test_settings_are_laid_over_the_named_configuration(mine):
    assert mine.resolve("quick", {"learning_rate": "1e-2", "epochs": "5"}) == Config(epochs=5, learning_rate=0.01)
    assert mine.card.configurations["quick"] == {"epochs": 2}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"epoch": "3"}, r"^settings of mine: unknown key 'epoch' \(did you mean 'epochs'\?\)$"),
        ({"Epochs": "3"}, r"^settings of mine: unknown key 'Epochs' \(did you mean 'epochs'\?\)$"),
        ({"epochs": "many"}, r"^settings of mine: epochs: .*whole number.*, not 'many'$"),
        ({"epochs": "1.5"}, "^settings of mine: epochs: .*integer"),
        ({"epochs": "0"}, "^settings of mine: epochs: .*greater than or equal to 1, not 0$"),
        ({"epochs": "1:30"}, "^settings of mine: epochs: .*whole number.*, not '1:30'$"),
        ({"epochs": "[" * 100_000}, "^settings of mine: epochs: .*whole number"),
        ({"epochs": "[1]"}, "^settings of mine: epochs: .*whole number"),
        ({"learning_rate": "nan"}, "^settings of mine: learning_rate: "),
        ({"shuffle": "3"}, "^settings of mine: shuffle: .*boolean.*, not 3$"),
        ({"kernel": "poly"}, "^settings of mine: kernel: .*'rbf' or 'linear', not 'poly'$"),
        ({"sizes": "4"}, "^settings of mine: sizes: must be a list.*, not 4$"),
        ({"epochs": "@"}, "^settings of mine: epochs: .*, not '@'$"),
    ],
)
def test_a_setting_that_does_not_fit_is_named(mine, settings, said):
    with pytest.raises(MerbenchError, match=said):
        mine.resolve(settings=settings)


def test_a_setting_that_looks_like_a_day_that_no_calendar_has_is_named(mine):
    with pytest.raises(MerbenchError, match=r"^settings of mine: epochs: "):
        mine.resolve(settings={"epochs": "2020-13-45"})


def test_an_unknown_configuration_is_told_with_what_is_close(mine):
    with pytest.raises(MerbenchError, match=r"^method mine has no configuration 'quik' \(did you mean 'quick'\?\)$"):
        mine.resolve("quik")
    with pytest.raises(MerbenchError, match=r"'xyzzy' \(known: default, quick\)$"):
        mine.resolve("xyzzy")


def test_every_method_of_the_library_loads_and_all_its_configurations_resolve():
    items, problems = METHODS.load_all()
    assert problems == []
    assert {"majority", "stratified-random", "ststnet", "svm-flow"} <= set(items)
    for name, method in items.items():
        assert method.card.name == name
        assert (method.folder / "card.yaml").is_file()
        for configuration in method.card.configurations:
            assert isinstance(method.resolve(configuration), MethodConfig)


def test_every_protocol_of_the_library_loads_under_its_name():
    items, problems = PROTOCOLS.load_all()
    assert problems == []
    assert "megc2019" in items
    assert [spec.name for spec in items.values()] == list(items)


def test_a_protocol_is_found_by_name_or_by_file_whatever_the_case_of_its_ending(small_protocol, tmp_path):
    assert protocol("megc2019").name == "megc2019"
    assert protocol(str(small_protocol)).name == "small"
    capitals = tmp_path / "SMALL.YAML"
    capitals.write_bytes(small_protocol.read_bytes())
    assert protocol(str(capitals)).name == "small"
    with pytest.raises(UnknownNameError, match=r"unknown protocol 'megc2091' \(did you mean 'megc2019' or"):
        protocol("megc2091")
    with pytest.raises(MerbenchError, match=r"absent\.yaml can't be read"):
        protocol(str(small_protocol.with_name("absent.yaml")))


@pytest.mark.parametrize(
    ("module", "package"),
    [("kit_of_mine.net", "kit_of_mine.net"), ("kit_of_mine.net.method", "kit_of_mine.net"), ("alone_of_mine", "")],
)
def test_the_folder_of_a_method_is_known_by_its_name_as_a_package(tmp_path, monkeypatch, module, package):
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


@pytest.mark.parametrize("name", ["lodo-casme2.samm.smic-hs", "cross-mine"])
def test_a_file_may_not_be_called_like_what_a_pattern_makes(small_protocol, name):
    assert crossed("lodo:smic-hs+casme2+samm").name == "lodo-casme2.samm.smic-hs"
    small_protocol.write_text(small_protocol.read_text().replace("name: small", f"name: {name}"))
    with pytest.raises(
        MerbenchError, match=rf"small\.yaml calls itself '{name}': names that begin with \w+- are those"
    ):
        protocol(str(small_protocol))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("clips: 159", "clips: 33"),
        ("  clips: 159\n", ""),
        ("surprise: 15, ", ""),
        (re.compile(r"expected:.*", re.DOTALL), ""),
    ],
    ids=["other", "fewer", "no-class", "none"],
)
def test_a_file_under_a_registered_name_may_not_expect_other_counts(tmp_path, old, new):
    text = (Path(str(files("merbench.protocols"))) / "samm-8.yaml").read_text(encoding="utf-8")
    path = tmp_path / "copy.yaml"
    path.write_text(text, encoding="utf-8")
    assert protocol(str(path)).spec_digest() == protocol("samm-8").spec_digest()  # a plain copy is the protocol
    changed = old.sub(new, text) if isinstance(old, re.Pattern) else text.replace(old, new)
    assert changed != text
    path.write_text(changed, encoding="utf-8")
    said = (
        r"copy\.yaml calls itself 'samm-8' but expects other counts: .* or use the counts of merbench protocols samm-8"
    )
    with pytest.raises(MerbenchError, match=said):
        protocol(str(path))


def test_a_protocol_knows_what_to_ask_for_it_by(small_protocol):
    for words in ("megc2019", "cdmer-c-h", "lodo:samm+casme2", str(small_protocol)):
        assert protocol(words).known_as == words


CARD = "name: mine\ntitle: Mine\nsummary: A method.\nimplementation: method:Mine\n"
CODE = """\
from merbench.contracts.methods import MethodConfig
from merbench.contracts.registry import Entry

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


def test_a_plugins_method_comes_with_the_card_beside_its_module(plugin):
    folder = plugin("merbench_test_whole_method")
    found = METHODS.get("mine")
    assert (found.card.title, found.folder, found.origin) == ("Mine", folder, "plugin 1")
    assert found.cls.__name__ == "Mine"


def test_a_card_is_read_without_running_the_method(plugin):
    plugin("merbench_test_unrun_method", code="raise RuntimeError('run')\n")
    assert method_card(METHODS.entry("mine")).title == "Mine"
    assert "merbench_test_unrun_method.method" not in sys.modules


@pytest.mark.parametrize(
    ("package", "options", "said"),
    [
        (
            "merbench_test_m1",
            {"card": None},
            r"'mine' of plugin 1 has no card: .*merbench_test_m1.card\.yaml is missing",
        ),
        (
            "merbench_test_m2",
            {"card": CARD.replace("mine", "yours")},
            r"card\.yaml is the card of 'yours', but .* registered as 'mine'",
        ),
        (
            "merbench_test_m3",
            {"card": CARD + "titel: x\n"},
            r"card\.yaml, line 5: unknown key 'titel' \(did you mean 'title'\?\)",
        ),
        (
            "merbench_test_m4",
            {"code": "Mine = 3\n"},
            "'mine' of plugin 1: .* is not a method class: Config, fit, predict missing",
        ),
        ("merbench_test_m5", {"code": CODE.replace("predict", "guess")}, "is not a method class: predict missing$"),
        (
            "merbench_test_m6",
            {"code": CODE.replace("= MethodConfig", "= dict")},
            "its Config must be a class derived from MethodConfig",
        ),
        ("merbench_test_m7", {"code": CODE + "Mine = Mine(None, None)\n"}, "is not a method class$"),
        ("merbench_test_m8", {"code": "1 / 0\n"}, "'mine' of plugin 1 can't be loaded .*division by zero"),
        ("merbench_test_m9", {"target": "absent:Mine"}, "'mine' of plugin 1 can't be loaded .*absent"),
    ],
)
def test_a_broken_plugin_method_is_named_and_harms_no_other(plugin, package, options, said):
    plugin(package, **options)
    with pytest.raises(MerbenchError, match=said):
        METHODS.get("mine")
    items, problems = METHODS.load_all()
    assert "majority" in items
    assert "mine" not in items
    assert len(problems) == 1


def test_a_card_of_a_module_that_is_not_there_is_named(plugin):
    plugin("merbench_test_moduleless", target="absent:Mine")
    with pytest.raises(MerbenchError, match=r"method 'mine' of plugin 1: no module merbench_test_moduleless\.absent"):
        method_card(METHODS.entry("mine"))


def test_a_plugins_protocol_is_a_path_or_a_specification(plugin, small_protocol):
    code = f"from pathlib import Path\nPROTOCOL = Path({str(small_protocol)!r})\n"
    small_protocol.write_text(small_protocol.read_text().replace("name: small", "name: mine"))
    plugin("merbench_test_protocol", code=code, target="method:PROTOCOL", kind="protocols")
    assert PROTOCOLS.get("mine").title == "Small"


def test_a_plugins_protocol_may_not_be_called_like_what_a_pattern_makes(plugin, small_protocol):
    code = f"from pathlib import Path\nPROTOCOL = Path({str(small_protocol)!r})\n"
    small_protocol.write_text(small_protocol.read_text().replace("name: small", "name: lodo-casme2.samm"))
    plugin("merbench_test_taken", code=code, target="method:PROTOCOL", kind="protocols", name="lodo-casme2.samm")
    with pytest.raises(MerbenchError, match=r"the protocol of plugin 1 calls itself 'lodo-casme2\.samm': names that"):
        PROTOCOLS.get("lodo-casme2.samm")


@pytest.mark.parametrize(
    ("package", "code", "said"),
    [
        ("merbench_test_p1", "PROTOCOL = 3\n", "protocol 'mine' of plugin 1: .* is neither a path nor a protocol"),
        (
            "merbench_test_p2",
            "from merbench.protocols import megc2019 as PROTOCOL\n",
            "'mine' of plugin 1 calls itself 'megc2019'",
        ),
    ],
)
def test_a_broken_plugin_protocol_is_named_and_harms_no_other(plugin, package, code, said):
    plugin(package, code=code, target="method:PROTOCOL", kind="protocols")
    with pytest.raises(MerbenchError, match=said):
        PROTOCOLS.get("mine")
    items, problems = PROTOCOLS.load_all()
    assert "megc2019" in items
    assert len(problems) == 1


@pytest.mark.parametrize(
    "card", ["title: Broken\n", "name: [broken\n", "- broken\n", ""], ids=["nameless", "invalid", "list", "empty"]
)
def test_a_damaged_card_in_the_librarys_own_folder_is_named_and_harms_no_other(tmp_path, monkeypatch, card):
    for name, content in (("mine", CARD), ("broken", card)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "card.yaml").write_text(content)
    monkeypatch.setattr(catalogue, "files", lambda package: tmp_path)
    METHODS.forget()
    assert METHODS.entry("mine").target == "merbench.methods.mine.method:Mine"
    with pytest.raises(MerbenchError, match="broken"):
        METHODS.get("broken")
    assert any("broken" in problem for problem in METHODS.load_all()[1])
    METHODS.forget()
