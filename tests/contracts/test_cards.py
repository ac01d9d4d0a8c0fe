import pytest

from merbench.contracts.cards import Card
from merbench.contracts.errors import MerbenchError
from merbench.contracts.inputs import Flow
from merbench.contracts.yamlfiles import validated

MINIMAL = {"name": "mine", "title": "Mine", "summary": "A method.", "implementation": "method:Mine"}


def test_an_ordinary_card_has_no_disclosures_and_one_configuration():
    card = Card(**MINIMAL)
    assert card.disclosures(transductive=True) == []
    assert card.configurations == {"default": {}}
    assert (card.default, card.cpu, card.quick, card.deterministic) == ("default", None, None, False)


def test_disclosures_are_listed():
    card = Card(
        **MINIMAL,
        transductive=True,
        au_labels_at_test=True,
        data_seen=("imagenet", "casme2"),
        auxiliary=("samm-lv",),
        remark="reconstruction",  # shown with the name, not a disclosure
    )
    assert card.disclosures(transductive=True) == [
        "transductive",
        "AU labels at test",
        "weights have seen imagenet, casme2",
        "pretrained on samm-lv",
    ]
    assert "transductive" not in card.disclosures(transductive=False)  # the protocol does not allow it


def test_inputs_are_read_by_their_kind():
    card = Card(**MINIMAL, inputs={"flow": {"kind": "flow", "size": 56, "channels": ["u", "v"]}})
    assert card.inputs == {"flow": Flow(size=56, channels=("u", "v"))}


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


def test_configurations_for_cases_are_names_of_the_card():
    for field in ("default", "cpu", "quick"):
        card = Card(**MINIMAL, configurations={"default": {}, "fast": {"epochs": 2}}, **{field: "fast"})
        assert getattr(card, field) == "fast"
    assert Card(**MINIMAL, configurations={"full": {}, "small": {}}, default="full").default == "full"


def test_ablations_are_groups_of_rows_of_settings():
    rows = {"dense": {"rates": [0.0]}, "random": {"score": "random"}}
    assert Card(**MINIMAL, ablations={"sparsity": rows}).ablations == {"sparsity": rows}
