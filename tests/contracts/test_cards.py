from types import SimpleNamespace

import pytest

from merbench.contracts.cards import Card, holds
from merbench.contracts.errors import MerbenchError
from merbench.contracts.inputs import Flow
from merbench.contracts.yamlfiles import validated

MINIMAL = {"name": "mine", "title": "Mine", "summary": "A method.", "implementation": "method:Mine"}


def test_disclosures_and_defaults_of_a_card():
    card = Card(**MINIMAL)
    assert card.disclosures(transductive=True) == []
    assert card.configurations == {"default": {}}
    assert (card.default, card.cpu, card.quick, card.deterministic) == ("default", None, None, False)
    data = {"data_seen": ("imagenet", "casme2"), "auxiliary": ("samm-lv",)}
    card = Card(**MINIMAL, transductive=True, au_labels_at_test=True, remark="shown with the name", **data)
    seen = ["weights have seen imagenet, casme2", "pretrained on samm-lv"]
    assert card.disclosures(transductive=True) == ["transductive", "AU labels at test", *seen]
    assert "transductive" not in card.disclosures(transductive=False)  # the protocol does not allow it


def test_facts_on_a_card_may_hold_with_some_settings_only():
    said = {
        "transductive": {"pretrain": "all"},
        "data_seen": {"imagenet": {"pretrained": True}, "faces": True},
        "remark": {"long": [{"epochs": 9}, {"epochs": [20, 30]}], "never": False},
        "not_ranked": {"known from test clips": [{"epochs": [20, 30], "pretrain": "none"}]},
    }
    card = Card(**MINIMAL, **said)
    for settings, expected in (
        ({"pretrain": "all", "pretrained": True, "epochs": 9}, (True, ["imagenet", "faces"], ["long"], [])),
        (
            {"pretrain": "none", "pretrained": False, "epochs": 30},
            (False, ["faces"], ["long"], ["known from test clips"]),
        ),
        ({"pretrain": "none", "pretrained": False, "epochs": 3}, (False, ["faces"], [], [])),
    ):
        config = SimpleNamespace(**settings)
        facts = [card.facts(name, config) for name in ("data_seen", "remark", "not_ranked")]
        assert (holds(card.transductive, config), *facts) == expected
        assert card.disclosures(False, config=config) == [f"weights have seen {', '.join(expected[1])}"]
    assert card.facts("remark") == ["long", "never"]
    assert card.conditions()["remark"] == [{"epochs": 9}, {"epochs": [20, 30]}]


def test_the_default_and_configurations_named_after_it_need_a_gpu_where_another_is_for_cpus():
    configurations = {name: {} for name in ("full", "full-whole", "fuller", "small")}
    card = Card(**MINIMAL, configurations=configurations, default="full", cpu="small")
    assert [name for name in configurations if card.needs_gpu(name)] == ["full", "full-whole"]
    assert not Card(**MINIMAL).needs_gpu("default")


def test_wrong_cards_are_refused_with_the_key():
    two = {"configurations": {"default": {}, "quick": {"epochs": 2}}}
    for change, said in (
        ({"name": "My method"}, "name: .*'My method'"),
        ({"implementation": "method"}, "implementation: .*'method'"),
        ({"implementation": "os;x:Mine"}, "implementation: "),
        ({"configurations": {"quick": {}}}, "default names 'default', .*: quick$"),
        *(
            (two | {field: "fast"}, f"{field} names 'fast', .*: default, quick$")
            for field in ("default", "cpu", "quick")
        ),
        ({"configurations": {"default": {}, "a/b": {}}}, "'a/b'"),
        ({"tasks": ["detection"]}, "tasks.0: .*'detection'"),
        ({"requires": "timm"}, r"requires: must be a list, like \[1, 2\], not 'timm'"),
        ({"requires": ["timm=>1"]}, "requires: 'timm=>1' is not a package and its versions, like timm>=1.0"),
        ({"requires": ["timm @ https://example.org/timm.whl"]}, "requires: 'timm @ "),
        ({"epochs": "none"}, "epochs: .*'none'"),
        ({"transductive": "perhaps"}, "transductive"),
        ({"not_ranked": ["known"]}, "not_ranked: must be a mapping"),
        ({"summary": "x" * 1001}, "summary: .*at most 1000 characters"),
        ({"remark": "x" * 201}, "remark: .*at most 200 characters"),
        ({"data_seen": ["x" * 90, "y" * 91]}, "'weights have seen x+'… is shown .* has 201 characters: .* at most 200"),
        ({"deterministc": True}, "'deterministc' .*'deterministic'"),
        ({"without_gpu": "default"}, "unknown key 'without_gpu' .*'cpu'"),
        ({"short": "default"}, "unknown key 'short' .*'quick'"),
        ({"inputs": {"flow": {"kind": "flo"}}}, "inputs.flow: .*'flo'"),
        ({"inputs": {"flow": {"kind": "flow", "sise": 3}}}, "'inputs.flow.sise' .*'size'"),
        ({"paper": {"titel": "x"}}, "paper"),
        ({"ablations": {"sparsity": {"dense": {}}}}, "ablations: .*'dense'"),
        ({"ablations": {"Sparsity": {"dense": {"a": 1}}}}, "'Sparsity'"),
        ({"ablations": {"sparsity": {"no rate": {"a": 1}}}}, "'no rate'"),
        ({"ablations": {"sparsity": ["dense"]}}, "ablations.sparsity"),
    ):
        with pytest.raises(MerbenchError, match=f"^card.yaml: .*{said}"):
            validated(Card, MINIMAL | change, "card.yaml")
    for key in MINIMAL:
        with pytest.raises(MerbenchError, match=f"^card.yaml: '{key}' is missing$"):
            validated(Card, {k: v for k, v in MINIMAL.items() if k != key}, "card.yaml")


def test_configurations_inputs_and_ablations_are_read():
    rows = {"dense": {"rates": [0.0]}, "random": {"score": "random"}}
    inputs = {"flow": {"kind": "flow", "size": 56, "channels": ["u", "v"]}}
    card = Card(**MINIMAL, ablations={"sparsity": rows}, inputs=inputs)
    assert (card.ablations, card.inputs) == ({"sparsity": rows}, {"flow": Flow(size=56, channels=("u", "v"))})
    assert Card(**MINIMAL, requires=["Face_Net>=1.0,<2"]).required_packages() == ("face-net",)
    assert (Card(**MINIMAL).required_packages(), Card(**MINIMAL).epochs) == ((), None)
    for field in ("default", "cpu", "quick"):
        card = Card(**MINIMAL, configurations={"default": {}, "fast": {"epochs": 2}}, **{field: "fast"})
        assert getattr(card, field) == "fast"
    assert Card(**MINIMAL, configurations={"full": {}, "small": {}}, default="full").default == "full"
