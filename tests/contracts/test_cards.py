import pytest

from merbench.contracts.cards import Card
from merbench.contracts.errors import MerbenchError
from merbench.contracts.inputs import Flow
from merbench.contracts.yamlfiles import validated

MINIMAL = {"name": "mine", "title": "Mine", "summary": "A method.", "implementation": "method:Mine"}


def test_an_ordinary_card_admits_nothing_and_has_a_default_configuration():
    card = Card(**MINIMAL)
    assert card.disclosures(transductive=True) == []
    assert card.configurations == {"default": {}}
    assert not card.deterministic


def test_whatever_a_card_admits_is_said():
    card = Card(
        **MINIMAL,
        transductive=True,
        au_labels_at_test=True,
        data_seen=("imagenet", "casme2"),
        auxiliary=("samm-lv",),
        remark="reconstruction",  # said beside the name, no admission
    )
    assert card.disclosures(transductive=True) == [
        "transductive",
        "AU labels at test",
        "weights have seen imagenet, casme2",
        "pretrained on samm-lv",
    ]
    assert "transductive" not in card.disclosures(transductive=False)  # the protocol did not let it


def test_inputs_are_read_by_their_kind():
    card = Card(**MINIMAL, inputs={"flow": {"kind": "flow", "size": 56, "channels": ["u", "v"]}})
    assert card.inputs == {"flow": Flow(size=56, channels=("u", "v"))}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "My method"}, "card.yaml: name: method name 'My method' must be lower-case"),
        ({"implementation": "method"}, "card.yaml: implementation: .*, not 'method'"),
        ({"implementation": "os;x:Mine"}, "card.yaml: implementation: "),
        (
            {"configurations": {"quick": {}}},
            "card.yaml: default names 'default', which is not a configuration of the card: quick$",
        ),
        ({"configurations": {"default": {}, "a/b": {}}}, "configuration name 'a/b' must be lower-case"),
        ({"tasks": ["detection"]}, "card.yaml: tasks.0: .*, not 'detection'"),
        ({"deterministc": True}, r"unknown key 'deterministc' \(did you mean 'deterministic'\?\)"),
        ({"inputs": {"flow": {"kind": "flo"}}}, "card.yaml: inputs.flow: .*'flo'"),
        (
            {"inputs": {"flow": {"kind": "flow", "sise": 3}}},
            r"unknown key 'inputs.flow.sise' \(did you mean 'size'\?\)",
        ),
        ({"paper": {"titel": "x"}}, "card.yaml: "),
    ],
)
def test_what_does_not_fit_a_card_is_named(change, said):
    with pytest.raises(MerbenchError, match=said):
        validated(Card, MINIMAL | change, "card.yaml")


@pytest.mark.parametrize("key", MINIMAL)
def test_what_a_card_must_say_is_asked_for(key):
    with pytest.raises(MerbenchError, match=f"^card.yaml: '{key}' is missing$"):
        validated(Card, {k: v for k, v in MINIMAL.items() if k != key}, "card.yaml")


@pytest.mark.parametrize("field", ["default", "cpu", "quick"])
def test_a_configuration_that_a_card_names_must_be_one_of_its_configurations(field):
    configurations = {"default": {}, "quick": {"epochs": 2}}
    assert getattr(Card(**MINIMAL, configurations=configurations, **{field: "quick"}), field) == "quick"
    with pytest.raises(
        MerbenchError, match=f"{field} names 'fast', which is not a configuration of the card: default, quick$"
    ):
        validated(Card, MINIMAL | {"configurations": configurations, field: "fast"}, "card.yaml")


def test_the_default_configuration_may_have_any_name():
    card = Card(**MINIMAL, configurations={"full": {}, "small": {}}, default="full")
    assert (card.default, card.cpu, card.quick) == ("full", None, None)


def test_ablations_are_groups_of_rows_of_settings():
    rows = {"dense": {"rates": [0.0]}, "random": {"score": "random"}}
    assert Card(**MINIMAL, ablations={"sparsity": rows}).ablations == {"sparsity": rows}


@pytest.mark.parametrize(
    ("ablations", "said"),
    [
        ({"sparsity": {"dense": {}}}, "ablations: the ablation 'dense' of 'sparsity' changes nothing"),
        ({"Sparsity": {"dense": {"a": 1}}}, "group of ablations name 'Sparsity' must be lower-case"),
        ({"sparsity": {"no rate": {"a": 1}}}, "ablation name 'no rate' must be lower-case"),
        ({"sparsity": ["dense"]}, "ablations.sparsity"),
    ],
)
def test_an_ablation_that_is_none_is_named(ablations, said):
    with pytest.raises(MerbenchError, match=said):
        validated(Card, MINIMAL | {"ablations": ablations}, "card.yaml")
