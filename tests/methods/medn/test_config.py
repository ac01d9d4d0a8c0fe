"""The settings: which inputs each needs, which values are refused, and that card and README name them all."""

import pytest
from merbench.methods.medn.config import Config
from support.refusals import refusal

from merbench.contracts.errors import MerbenchError
from merbench.contracts.inputs import ActionUnits, Flow, Frames
from merbench.contracts.protocols import load_protocol
from merbench.engine.plan.catalogue import METHODS
from merbench.engine.plan.data import choose_data
from merbench.engine.plan.runs import PreparedProtocol, Request, plan_runs

MEDN = METHODS.get("medn")

# Settings as they are written behind --set, and what the line must name of each.
WRONG = [
    ({"rates": "[0.5, 0.2]"}, ["rates", "ascending", "[0.25, 0.5]"]),
    ({"rates": "[]"}, ["rates", "one or more"]),
    ({"rates": "[0.5, 1.0]"}, ["rates", "[0, 1)"]),
    ({"rates": "[-0.1]"}, ["rates", "[0, 1)"]),
    ({"rates": "[0.5, .nan]"}, ["rates"]),
    ({"frame_size": "50", "patch": "16"}, ["frame_size 50", "multiple of patch 16"]),
    ({"vit_width": "50", "heads": "4"}, ["vit_width 50", "multiple of heads 4"]),
    ({"width": "50", "heads": "4"}, ["width 50", "multiple of heads 4"]),
    ({"scales": "progressive", "depth": "1"}, ["progressive", "depth", "3 rates"]),
    ({"score": "class-attention", "stem_depth": "0"}, ["class-attention", "stem_depth", "at least 1"]),
    ({"au_vocabulary": "[]"}, ["au_vocabulary", "action units"]),
    ({"au_vocabulary": "[4, 12, 4]"}, ["au_vocabulary", "each once"]),
    ({"au_vocabulary": "[100]"}, ["au_vocabulary", "from 1 to 99"]),
    ({"branches": "motion", "class_into_motion": "false"}, ["class_into_motion", "branches: both", "motion"]),
    ({"au_weight": "0", "class_into_motion": "false"}, ["class_into_motion", "au_weight must be above 0"]),
    ({"trunk": "small", "trunk_pretrained": "true"}, ["trunk_pretrained", "resnet18"]),
    ({"scales": "progressive", "depth": "3", "residual_token": "true"}, ["residual_token", "scales: parallel"]),
    ({"orthogonal_wieght": "1"}, ["'orthogonal_wieght'", "did you mean 'orthogonal_weight'"]),
    ({"crop": "1.1"}, ["crop", "less than or equal to 1"]),
    ({"frames": "1"}, ["frames", "equal to 2"]),
]


def test_invalid_settings_are_refused_in_one_line():
    for settings, named in WRONG:
        said = refusal(MEDN.resolve, None, settings, case=settings)
        assert said.startswith("settings of medn: ")
        assert [part for part in named if part not in said] == [], said


def test_a_release_of_flow_is_refused_with_the_missing_inputs(small_release, small_protocol):
    spec = load_protocol(small_protocol)
    prepared = PreparedProtocol.of(spec, choose_data(str(small_release), [spec]))
    for branches, lacks in (("motion", {"flow", "action_units"}), ("emotion", {"faces"})):
        with pytest.raises(MerbenchError, match=r"method medn .*megc2019-flow28") as raised:
            plan_runs(Request.named(("medn",), settings={"branches": branches}), [prepared])
        assert {name for name in ("flow", "action_units", "faces") if f"'{name}'" in str(raised.value)} == lacks


def test_inputs_follow_from_the_settings(tiny):
    config = tiny(frames=5, flow_size=20, frame_size=24, colour="grey", align="frame", flow_mask="face")
    assert MEDN.cls.declare_inputs(config) == {
        "flow": Flow(
            size=20, channels=("u", "v"), algorithm="tvl1", normalise="none", mask="face", face_size=16, align="frame"
        ),
        "action_units": ActionUnits(vocabulary=(1, 4, 12)),
        "faces": Frames(count=5, size=24, span="onset-offset", sampling="phase", colour="grey", align="frame"),
    }
    assert MEDN.inputs(config, "classification") == MEDN.cls.declare_inputs(config)
    assert MEDN.inputs(config, "au-detection") == {"flow": config.inputs()["flow"]}  # no faces are prepared
    assert tiny(motion_input="uvs").inputs()["flow"].channels == ("u", "v", "strain")
    assert tiny(flow_algorithm="farneback").inputs()["flow"].algorithm == "farneback"
    assert set(tiny(branches="motion").inputs()) == {"flow", "action_units"}
    assert set(tiny(branches="motion", au_weight=0.0).inputs()) == {"flow"}
    assert set(tiny(branches="emotion").inputs()) == {"faces"}
    for count, expected in ((2, ("onset-apex", 2, "uniform")), (3, ("onset-offset", 3, "phase"))):
        faces = tiny(frames=count).inputs()["faces"]
        assert (faces.span, faces.count, faces.sampling) == expected


def test_docstring_card_and_readme_name_every_setting():
    documented, card = Config.__doc__ + Config.__mro__[1].__doc__, MEDN.card
    readme = (MEDN.folder / "README.md").read_text(encoding="utf-8")
    assert [name for name in Config.model_fields if name not in documented or f"`{name}`" not in readme] == []
    assert not set(card.stated) & set(card.reconstructed)
    assert set(card.stated) | set(card.reconstructed) == set(Config.model_fields)
