import re

from support.refusals import refusal

from merbench.contracts.cards import Card
from merbench.contracts.inputs import Flow
from merbench.contracts.yamlfiles import validated

MINIMAL = {"name": "mine", "title": "Mine", "summary": "A method.", "implementation": "method:Mine"}


def test_a_minimal_card_has_a_default_configuration():
    card = Card(**MINIMAL)
    assert card.disclosures(transductive=True) == []
    assert card.configurations == {"default": {}}
    assert not card.deterministic


def test_disclosures_of_a_card():
    card = Card(
        **MINIMAL,
        transductive=True,
        au_labels_at_test=True,
        data_seen=("imagenet", "casme2"),
        auxiliary=("samm-lv",),
        remark="reconstruction",  # said beside the name, not a disclosure
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


def test_mistakes_in_a_card_are_reported_with_their_key():
    for change, expected in (
        ({"name": "My method"}, "name: .*'My method' must be lower-case"),
        ({"implementation": "method"}, "implementation: .*, not 'method'"),
        ({"implementation": "os;x:Mine"}, "implementation: "),
        ({"configurations": {"quick": {}}}, "default names 'default', .*: quick$"),
        ({"configurations": {"default": {}, "a/b": {}}}, "'a/b' must be lower-case"),
        ({"tasks": ["detection"]}, "tasks.0: .*, not 'detection'"),
        ({"deterministc": True}, r"'deterministc' \(did you mean 'deterministic'\?\)"),
        ({"inputs": {"flow": {"kind": "flo"}}}, "inputs.flow: .*'flo'"),
        ({"inputs": {"flow": {"kind": "flow", "sise": 3}}}, r"'inputs.flow.sise' \(did you mean 'size'\?\)"),
        ({"paper": {"titel": "x"}}, ""),
        ({"ablations": {"sparsity": {"dense": {}}}}, "ablations: .*'dense' of 'sparsity'"),
        ({"ablations": {"Sparsity": {"dense": {"a": 1}}}}, "'Sparsity' must be lower-case"),
        ({"ablations": {"sparsity": {"no rate": {"a": 1}}}}, "'no rate' must be lower-case"),
        ({"ablations": {"sparsity": ["dense"]}}, "ablations.sparsity"),
    ):
        assert re.search(
            f"^card.yaml: .*{expected}", refusal(validated, Card, MINIMAL | change, "card.yaml", case=change)
        )
    for key in MINIMAL:
        content = {k: v for k, v in MINIMAL.items() if k != key}
        assert refusal(validated, Card, content, "card.yaml", case=key) == f"card.yaml: '{key}' is missing"


def test_a_card_names_only_its_own_configurations():
    configurations = {"default": {}, "quick": {"epochs": 2}}
    for field in ("default", "cpu", "quick"):
        assert getattr(Card(**MINIMAL, configurations=configurations, **{field: "quick"}), field) == "quick"
        content = MINIMAL | {"configurations": configurations, field: "fast"}
        assert re.search(
            f"{field} names 'fast', .*: default, quick$", refusal(validated, Card, content, "c", case=field)
        )


def test_the_default_configuration_may_have_any_name():
    card = Card(**MINIMAL, configurations={"full": {}, "small": {}}, default="full")
    assert (card.default, card.cpu, card.quick) == ("full", None, None)


def test_ablations_are_groups_of_rows_of_settings():
    rows = {"dense": {"rates": [0.0]}, "random": {"score": "random"}}
    assert Card(**MINIMAL, ablations={"sparsity": rows}).ablations == {"sparsity": rows}
