"""The settings: what each asks for, what is refused and how, and that the card's configurations and ablations hold."""

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from merbench.methods.medn.config import Config

from merbench.cli import main
from merbench.contracts.errors import MerbenchError
from merbench.contracts.inputs import ActionUnits, Flow, Frames
from merbench.contracts.methods import Problem
from merbench.contracts.protocols import load_protocol
from merbench.engine.plan.catalogue import METHODS, PROTOCOLS
from merbench.engine.plan.data import choose_data
from merbench.engine.plan.runs import PreparedProtocol, Request, plan_runs

MEDN = METHODS.get("medn")
CONFIGURATIONS = sorted(MEDN.card.configurations)
ABLATIONS = [(group, row) for group, rows in MEDN.card.ablations.items() for row in rows]

# Settings as they are written behind --set, and what the line must name of each.
WRONG = [
    ({"rates": "[0.5, 0.2]"}, ["rates", "ascending", "[0.25, 0.5]"]),
    ({"rates": "[0.5, 0.5]"}, ["rates", "each once"]),
    ({"rates": "[]"}, ["rates", "one or more"]),
    ({"rates": "[0.5, 1.0]"}, ["rates", "[0, 1)"]),
    ({"rates": "[-0.1]"}, ["rates", "[0, 1)"]),
    ({"rates": "half"}, ["rates"]),
    ({"rates": "[0.5, .nan]"}, ["rates"]),
    ({"frame_size": "50", "patch": "16"}, ["frame_size 50", "multiple of patch 16"]),
    ({"patch": "64", "frame_size": "32"}, ["frame_size 32", "multiple of patch 64"]),
    ({"vit_width": "50", "heads": "4"}, ["vit_width 50", "multiple of heads 4"]),
    ({"width": "50", "heads": "4"}, ["width 50", "multiple of heads 4"]),
    ({"scales": "progressive", "depth": "1"}, ["progressive", "depth", "3 rates"]),
    ({"score": "class-attention", "stem_depth": "0"}, ["class-attention", "stem_depth", "at least 1"]),
    ({"au_vocabulary": "[]"}, ["au_vocabulary", "action units"]),
    ({"au_vocabulary": "[4, 12, 4]"}, ["au_vocabulary", "each once"]),
    ({"au_vocabulary": "[4, brow]"}, ["au_vocabulary", "whole number"]),
    ({"au_vocabulary": "[100]"}, ["au_vocabulary", "from 1 to 99"]),
    ({"au_vocabulary": "[-3]"}, ["au_vocabulary", "from 1 to 99"]),
    ({"branches": "motion", "class_into_motion": "false"}, ["class_into_motion", "branches: both", "motion"]),
    ({"au_weight": "0", "class_into_motion": "false"}, ["class_into_motion", "au_weight must be above 0"]),
    ({"trunk": "small", "trunk_pretrained": "true"}, ["trunk_pretrained", "resnet18"]),
    ({"scales": "progressive", "depth": "3", "residual_token": "true"}, ["residual_token", "scales: parallel"]),
    ({"vit_pretrained": "deit_tiny_patch16_224"}, ["vit_pretrained", "emotion_input: faces or both", "changes"]),
    ({"batch_size": "1"}, ["batch_size", "greater than or equal to 2"]),
    ({"branches": "all"}, ["branches", "'both'", "'motion'", "'emotion'", "'all'"]),
    ({"motion_input": "rgb"}, ["motion_input", "'hsv'", "'uvs'"]),
    ({"trunk": "resnet50"}, ["trunk", "'resnet18'", "'small'"]),
    ({"trunk_stages": "2"}, ["trunk_stages", "3", "4"]),
    ({"score": "tokens"}, ["score", "'token'", "'pixel'", "'learned'", "'class-attention'", "'random'"]),
    ({"scales": "serial"}, ["scales", "'parallel'", "'progressive'"]),
    ({"merge": "sum"}, ["merge", "'learned'", "'mean'", "'concat'"]),
    ({"time": "flat"}, ["time", "'folded'", "'joint'"]),
    ({"fusion": "film"}, ["fusion", "'cofm'", "'gate'", "'concat'", "'add'"]),
    ({"orthogonal": "cosine"}, ["orthogonal", "'cross-batch'", "'squared-cosine'"]),
    ({"au_loss": "hinge"}, ["au_loss", "'bce'", "'focal'"]),
    ({"class_loss": "hinge"}, ["class_loss", "'cross-entropy'", "'focal'"]),
    ({"class_weights": "some"}, ["class_weights", "'balanced'", "'none'"]),
    ({"sampling": "random"}, ["sampling", "'phase'", "'uniform'"]),
    ({"frames": "1"}, ["frames", "greater than or equal to 2"]),
    ({"width": "4"}, ["width", "greater than or equal to 8"]),
    ({"flow_size": "8"}, ["flow_size", "greater than or equal to 16"]),
    ({"crop": "0"}, ["crop", "greater than 0"]),
    ({"crop": "1.1"}, ["crop", "less than or equal to 1"]),
    ({"dropout": "1"}, ["dropout", "less than 1"]),
    ({"drop_path": "-0.1"}, ["drop_path", "greater than or equal to 0"]),
    ({"label_smoothing": "1"}, ["label_smoothing", "less than 1"]),
    ({"colour_jitter": "1"}, ["colour_jitter", "less than 1"]),
    ({"orthogonal_weight": "-1"}, ["orthogonal_weight", "greater than or equal to 0"]),
    ({"au_weight": "-1"}, ["au_weight", "greater than or equal to 0"]),
    ({"au_positive_weight": "0.5"}, ["au_positive_weight", "greater than or equal to 1"]),
    ({"au_least": "0"}, ["au_least", "greater than or equal to 1"]),
    ({"learning_rate": ".inf"}, ["learning_rate", "finite"]),
    ({"epochs": "true"}, ["epochs", "number"]),
    ({"gradient_norm": "0"}, ["gradient_norm", "greater than 0"]),
    ({"flip": "sometimes"}, ["flip", "boolean"]),
    ({"sparsity": "0.5"}, ["'sparsity'"]),
    ({"orthogonal_wieght": "1"}, ["'orthogonal_wieght'", "did you mean 'orthogonal_weight'"]),
]


@pytest.mark.parametrize(
    ("settings", "named"), WRONG, ids=lambda each: "-".join(each) if isinstance(each, dict) else ""
)
def test_a_wrong_value_is_refused_in_a_line_that_names_the_setting_and_what_is_allowed(settings, named):
    with pytest.raises(MerbenchError) as raised:
        MEDN.resolve(None, settings)
    said = str(raised.value)
    assert len(said.splitlines()) == 1
    assert said.startswith("settings of medn: ")
    for part in named:
        assert part in said


@given(st.lists(st.floats(0, 1).map(lambda rate: round(rate, 2)), min_size=1, max_size=4))
def test_rates_hold_exactly_if_they_ascend_and_leave_something(tiny, rates):
    if rates == sorted(set(rates)) and rates[-1] < 1:
        assert tiny(rates=tuple(rates)).rates == tuple(rates)
    else:
        with pytest.raises(ValueError, match="rates"):
            tiny(rates=tuple(rates))


@pytest.fixture
def refused(monkeypatch, capsys, tmp_path):
    """Return what runs a command line that is wrong use, and gives its one line."""
    monkeypatch.chdir(tmp_path)

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["merbench", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert ended.value.code == 2, said
        assert "Traceback" not in said.out + said.err
        assert not (tmp_path / "results").exists()
        return said.err.strip()

    return call


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("rates=[0.5,0.2]", ["rates", "ascending"]),
        ("frame_size=50", ["frame_size 50", "patch"]),
        ("fusion=film", ["fusion", "'cofm'", "'film'"]),
    ],
)
def test_the_command_line_refuses_it_before_anything_is_made(refused, home, setting, named):
    said = refused("run", "medn", "--protocol", "megc2019", "--set", setting)
    assert len(said.splitlines()) == 1
    for part in ("settings of medn", *named):
        assert part in said
    assert not list(home.iterdir())


@pytest.fixture
def untrained(monkeypatch):
    """Let training fail the test: what is refused is refused before."""

    def fit(self, train, run):
        pytest.fail("it was trained")

    monkeypatch.setattr(MEDN.cls, "fit", fit)


def test_a_release_of_flow_is_refused_with_what_it_lacks(refused, untrained, small_release, small_protocol):
    said = refused("run", "medn", "--protocol", small_protocol, "--data", small_release)
    assert len(said.splitlines()) == 1
    for part in ("method medn can't run on megc2019-flow28", "'faces'", "frames(", "'action_units'", "action-units("):
        assert part in said


@pytest.mark.parametrize(("branches", "lacks"), [("motion", {"flow", "action_units"}), ("emotion", {"faces"})])
def test_a_branch_alone_is_refused_with_what_it_lacks(small_release, small_protocol, branches, lacks):
    spec = load_protocol(small_protocol)
    prepared = PreparedProtocol.of(spec, choose_data(str(small_release), [spec]))
    with pytest.raises(MerbenchError) as raised:
        plan_runs(Request.named(("medn",), settings={"branches": branches}), [prepared])
    for name in ("flow", "action_units", "faces"):
        assert (f"input '{name}'" in str(raised.value)) is (name in lacks)


def test_the_published_flow_is_refused_too(shared):
    spec = PROTOCOLS.get("megc2019")
    prepared = PreparedProtocol.of(spec, choose_data(str(shared / "data" / "megc2019-flow28"), [spec]))
    with pytest.raises(MerbenchError, match=r"method medn can't run on megc2019-flow28: .*'action_units'.*'faces'"):
        plan_runs(Request.named(("medn",)), [prepared])


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_every_configuration_of_the_card_holds_and_makes_a_net_of_its_shape(configuration):
    config = MEDN.resolve(configuration)
    net = MEDN.cls(config, Problem("classification", ("a", "b", "c"))).module()
    assert sum(p.numel() for p in net.parameters()) > 0
    if configuration == "full":
        assert config.frame_size == 224
    assert MEDN.cls.declare_inputs(config) == config.inputs()


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
@pytest.mark.parametrize(("group", "row"), ABLATIONS)
def test_every_ablation_of_the_card_holds_in_every_configuration(configuration, group, row):
    changes = MEDN.card.ablations[group][row]
    changed = MEDN.resolve(configuration, {name: json.dumps(value) for name, value in changes.items()})
    for name, value in changes.items():
        found = getattr(changed, name)
        assert found == (tuple(value) if isinstance(value, list) else value)


@pytest.mark.parametrize(("group", "row"), ABLATIONS)
def test_every_ablation_of_the_card_changes_some_configuration(group, row):
    changes = {name: json.dumps(value) for name, value in MEDN.card.ablations[group][row].items()}
    assert any(MEDN.resolve(name, changes) != MEDN.resolve(name) for name in CONFIGURATIONS)


def test_the_whole_method_asks_for_flow_action_units_and_frames(tiny):
    config = tiny(frames=5, flow_size=20, frame_size=24, colour="grey", align="frame", flow_mask="face")
    assert MEDN.cls.declare_inputs(config) == {
        "flow": Flow(
            size=20, channels=("u", "v"), algorithm="tvl1", normalise="none", mask="face", face_size=16, align="frame"
        ),
        "action_units": ActionUnits(vocabulary=(1, 4, 12)),
        "faces": Frames(count=5, size=24, span="onset-offset", sampling="phase", colour="grey", align="frame"),
    }


def test_strain_is_asked_for_where_it_is_used(tiny):
    assert tiny(motion_input="uvs").inputs()["flow"].channels == ("u", "v", "strain")
    assert tiny(flow_algorithm="farneback").inputs()["flow"].algorithm == "farneback"


def test_a_branch_alone_asks_for_its_own_inputs_only(tiny):
    assert set(tiny(branches="motion").inputs()) == {"flow", "action_units"}
    assert set(tiny(branches="motion", au_weight=0.0).inputs()) == {"flow"}
    assert set(tiny(branches="emotion").inputs()) == {"faces"}


@pytest.mark.parametrize("sampling", ["phase", "uniform"])
def test_two_frames_are_onset_and_apex_and_more_are_sampled_to_the_offset(tiny, sampling):
    pair = tiny(frames=2, sampling=sampling).inputs()["faces"]
    assert (pair.span, pair.count, pair.sampling) == ("onset-apex", 2, "uniform")
    for count in (3, 8):
        faces = tiny(frames=count, sampling=sampling).inputs()["faces"]
        assert (faces.span, faces.count, faces.sampling) == ("onset-offset", count, sampling)


def test_every_setting_is_described():
    told = Config.__doc__ + Config.__mro__[1].__doc__
    for name in Config.model_fields:
        assert name in told, name


def test_the_card_says_of_every_field_whether_it_is_stated_or_reconstructed_and_the_readme_names_it():
    card = METHODS.get("medn").card
    assert not set(card.stated) & set(card.reconstructed)
    assert set(card.stated) | set(card.reconstructed) == set(Config.model_fields)
    readme = (METHODS.get("medn").folder / "README.md").read_text(encoding="utf-8")
    assert [name for name in Config.model_fields if f"`{name}`" not in readme] == []
