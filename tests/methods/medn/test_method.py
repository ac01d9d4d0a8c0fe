"""MEDN as a whole: every setting works and matters, what it learns, and its diagnostics."""

import typing

import numpy as np
import pandas as pd
import pytest
import timm
import torch
from merbench.methods.medn.config import Config
from merbench.methods.medn.losses import ORTHOGONAL, cross_batch
from merbench.methods.medn.method import MEDN
from support.folds import outcome, spec

from merbench.contracts.clips import clip_table
from merbench.contracts.diagnostics import check_diagnostics
from merbench.contracts.errors import MerbenchError
from merbench.contracts.methods import Problem, RunContext, TrainingData
from merbench.engine.fold.opening import FoldTask
from merbench.engine.plan.catalogue import METHODS
from merbench.splits.split import make_split

CLASSES = ("negative", "positive", "surprise")
PROBLEM = Problem("classification", CLASSES)
LABELS = np.array([0, 1, 2, 0, 0, 1, 0, 2, 1])
CLIPS = len(LABELS)


def trained(config, inputs, labels=LABELS, seed=1, **options):
    method = MEDN(config, PROBLEM)
    people = np.array(["x/1"] * len(labels), dtype=object)
    method.fit(TrainingData(inputs, labels, PROBLEM, people, people), RunContext(seed=seed, **options))
    return method


def predicted(method, inputs):
    found = method.predict(inputs.without_labels()).check(inputs.clips, PROBLEM)
    assert found.labels is None
    return found.scores


#: Other values of the settings that are not a choice of words or yes and no.
OTHERS = {
    "epochs": (1, 3), "least_steps": (9,), "batch_size": (3, 100), "learning_rate": (0.02,),
    "warmup_epochs": (0.0, 1.5, 2.0),
    "gradient_norm": (None, 0.01), "weight_decay": (0.0, 5.0), "pretrained_rate": (0.5,),
    "width": (16,), "flow_size": (24,), "flow_face_size": (32,), "au_vocabulary": ((4,), (1, 2, 4, 12)),
    "au_weight": (0.0, 5.0), "au_positive_weight": (1.0, 3.0), "au_least": (4, 100),
    "frames": (2, 8), "frame_size": (24,), "change_gain": (2.0,),
    "patch": (8,), "vit_width": (16,), "heads": (1, 4), "mlp_ratio": (1.0,), "drop_path": (0.0, 0.9),
    "stem_depth": (0, 2), "depth": (3,), "rates": ((0.0,), (0.5,), (0.1, 0.9)),
    "orthogonal_weight": (0.0, 2.0), "orthogonal_after": (1.0,), "orthogonal_ramp": (3.0,),
    "dropout": (0.0, 0.9), "label_smoothing": (0.0, 0.5), "emotion_class_weight": (0.0, 3.0),
    "crop": (0.3, 1.0), "colour_jitter": (0.0, 0.9),
}  # fmt: skip
#: Settings that another one needs to make a difference, or to be valid.
NEEDS = {
    "trunk_pretrained": {"trunk": "resnet18", "flow_size": 32},
    "pretrained_rate": {"trunk": "resnet18", "flow_size": 32, "trunk_pretrained": True},
    "scales": {"depth": 3},
    "drop_path": {"depth": 3},
    "label_smoothing": {"emotion_class_weight": 0.0},
}
#: Settings of speed, which change results by rounding only.
SPEED = {"compiled", "channels_last"}


def alternatives(name):
    annotation = Config.model_fields[name].annotation
    if typing.get_origin(annotation) is typing.Literal:
        return typing.get_args(annotation)
    return (False, True) if annotation is bool else OTHERS.get(name, ())


def without_downloads(monkeypatch, hub=True):
    real = timm.create_model

    def make(name, pretrained=False, **settings):
        if pretrained and not hub:
            raise OSError("no route to the hub\nsecond line")
        if pretrained:
            torch.manual_seed(6)
        return real(name, pretrained=False, **settings)

    monkeypatch.setattr(timm, "create_model", make)


@pytest.mark.slow
def test_every_setting_trains_and_makes_a_difference(monkeypatch, tiny, made):
    for name in Config.model_fields:
        needs = NEEDS.get(name, {})
        base, usual = tiny(**needs), None
        assert any(value != getattr(base, name) for value in alternatives(name)), name
        for config in (base, *(tiny(**needs | {name: value}) for value in alternatives(name))):
            with monkeypatch.context() as patch, torch.compiler.set_stance("force_eager"):
                without_downloads(patch)
                inputs = made(config, CLIPS)
                scores = predicted(trained(config, inputs), inputs)
            usual = scores if usual is None else usual
            assert scores.std() > 0, (name, config)
            if name in SPEED:
                np.testing.assert_allclose(scores, usual, atol=1e-3)
            elif config.inputs() == base.inputs():
                assert np.array_equal(scores, usual) is (config == base), (name, config)


def weights(config):
    """Return the initial weights of each layer, with the buffers of random draws, by the layer's name."""
    torch.manual_seed(3)
    net = MEDN(config, PROBLEM).module()
    layers = net.named_modules()
    drawn = {name: [*part.parameters(recurse=False), *part.buffers(recurse=False)] for name, part in layers}
    return drawn, torch.rand(3)


def test_an_ablation_leaves_the_initial_weights_of_other_parts(tiny):
    usual, after = weights(tiny())
    rows = [changes for group in METHODS.get("medn").card.ablations.values() for changes in group.values()]
    rows += [{"trunk": "resnet18", "flow_size": 32}, {"au_vocabulary": (4, 12)}, {"stem_depth": 0}]
    for changes in rows:
        found, then = weights(tiny(**changes))
        assert torch.equal(then, after)  # the draws of training start alike, too
        for name in found.keys() & usual.keys():
            if [values.shape for values in found[name]] == [values.shape for values in usual[name]]:
                assert all(map(torch.equal, found[name], usual[name])), (changes, name)


def test_full_has_its_shapes():
    config = METHODS.get("medn").resolve("full")
    torch.manual_seed(0)
    net = MEDN(config, PROBLEM).module().eval()
    with torch.inference_mode():
        seen = net(torch.rand(2, 3, 128, 128), torch.rand(2, 8, 3, 224, 224))
    assert (seen.scores.shape, seen.gate.shape) == ((2, 3), (2, 256))
    assert [part.shape for part in seen.motion] == [(2, 16, 256), (2, 256), (2, 12)]
    assert [part.shape for part in seen.emotion] == [(2, 196, 256), (2, 256), (2, 3, 196)]
    assert seen.emotion.kept.sum(dim=2).tolist() == [[147, 98, 49]] * 2


# --- What it learns.

EACH = 30  # clips of either subject
TRUTH = np.arange(2 * EACH) % 3  # what the clips show, whatever their labels
COURSES = np.array(  # of a movement from onset, frame 0, to apex, frame 4: early rise; late rise; and one that stays
    [[0, 0.9, 1, 1, 1, 0.2, 0.1, 0], [0, 0.1, 0.1, 0.2, 1, 0.2, 0.1, 0], [0, 0.1, 0.1, 0.2, 1, 0.9, 0.9, 0]]
)
LEARNING = {"epochs": 15, "batch_size": 10, "learning_rate": 0.01, "width": 16, "vit_width": 16, "colour": "grey",
            "flip": False, "crop": 1.0, "colour_jitter": 0.0, "drop_path": 0.0, "dropout": 0.0}  # fmt: skip
CHANCE = 1 / 3 + 4 * (2 / 9 / (2 * EACH)) ** 0.5


def two_people(shuffled=False):
    """Split clips of two people into two folds, with equally many clips of each class."""
    names, rows = np.array([CLASSES[n % 3] for n in range(EACH)]), []
    for dataset, subject in (("casme2", "sub06"), ("smic-hs", "s06")):
        emotions = np.random.default_rng(len(subject)).permutation(names) if shuffled else names
        identity = {"dataset": dataset, "subject": subject}
        rows += [identity | {"clip": f"take{n:02d}", "emotion": emotion} for n, emotion in enumerate(emotions)]
    return make_split(
        spec(datasets={name: {"title": name, "classes": {}} for name in ("casme2", "smic-hs")}),
        clip_table(pd.DataFrame(rows), "toy"),
    )


def faces_with_a_course():
    """Faces in which a patch brightens at a time that shows the class; onset and apex are the same for all classes."""
    still = np.random.default_rng(0).integers(40, 160, (2 * EACH, 1, 16, 16, 1)).repeat(8, axis=1)
    still[:, :, 4:8, 8:12] += (80 * COURSES[TRUTH]).astype(int)[:, :, None, None, None]
    return still.astype(np.uint8)


def learned(config, inputs, split, **options):
    """Train and test both folds through the engine; return outcomes and accuracy."""
    outcomes = [outcome(FoldTask(MEDN, config, split, inputs, 0, **options), fold.name) for fold in split.folds]
    table = pd.concat([found.predictions for found in outcomes])
    return outcomes, (table.truth == table.predicted).mean()


@pytest.mark.slow
def test_the_course_over_time_is_learned_from_faces(tiny, made):
    """Shuffled labels, and faces at onset and apex alone, give chance."""
    faces = faces_with_a_course()
    arrays = {"unlabelled": range(EACH, 2 * EACH), "flow": np.zeros((2 * EACH, 16, 16, 2), dtype=np.float32)}
    config, pair = tiny(**LEARNING, frames=8), tiny(**LEARNING, frames=2, branches="emotion")
    inputs = made(config, 2 * EACH, faces=faces, **arrays)
    assert learned(config, inputs, two_people())[1] > 0.9
    assert learned(config, inputs, two_people(shuffled=True))[1] < CHANCE
    assert learned(pair, made(pair, 2 * EACH, faces=faces[:, [0, 4]]), two_people())[1] < CHANCE


def test_classes_and_action_units_are_learned_from_flow(tiny, made):
    """The direction of the flow in one place shows the class, among noise; each class has an action unit."""
    vectors = 0.2 * np.random.default_rng(0).standard_normal((2 * EACH, 16, 16, 2)).astype(np.float32)
    angle = 2 * np.pi * TRUTH / 3 + 0.3
    vectors[:, 4:12, 4:12] += np.stack([np.cos(angle), np.sin(angle)], axis=-1)[:, None, None]
    for motion_input in ("hsv", "uvs"):
        config = tiny(**LEARNING, branches="motion", motion_input=motion_input, au_weight=2.0)
        if motion_input == "uvs":
            vectors = np.concatenate([vectors, np.ones_like(vectors[..., :1])], axis=-1)
        inputs = made(config, 2 * EACH, flow=vectors, action_units=np.eye(3, dtype=np.float32)[TRUTH])
        outcomes, accuracy = learned(config, inputs, two_people(), diagnose=True)
        assert accuracy > 0.9
        for found in outcomes:
            for unit, emotion in zip((1, 4, 12), CLASSES, strict=True):
                said = found.diagnostics[f"test/au/{unit}"] > 0
                assert (said == (found.diagnostics["test/truth"] == emotion)).mean() > 0.9


def test_faces_and_flow_are_augmented_by_one_draw(tiny, made):
    config = tiny(motion_input="uvs", crop=0.6, colour_jitter=0.0)
    x = np.linspace(-1, 1, 16)
    wave = 127 + 100 * np.sin(3 * x + 1)[None, :] * np.cos(2 * x - 0.5)[:, None]
    flow = np.broadcast_to(wave[None, :, :, None] / 255, (12, 16, 16, 3)).astype(np.float32)
    faces = np.broadcast_to(wave[None, None, :, :, None], (12, 3, 16, 16, 3)).astype(np.uint8)
    method = MEDN(config, PROBLEM)
    batch = method.tensors(made(config, 12, flow=flow, faces=faces))
    found = method.augment(batch, torch.Generator().manual_seed(0))
    assert (found["flow"][:, 2] - found["faces"][:, 0, 0]).abs().max() < 0.01
    assert (found["flow"][:, 2] - batch["flow"][:, 2]).abs().amax(dim=(1, 2)).min() > 0.01  # each clip is moved
    assert 0 < (found["flow"][:, 0, 8, 8] < 0).sum() < 12  # mirrored
    assert torch.equal(found["action_units"], batch["action_units"])


def test_the_orthogonal_loss_has_a_schedule_and_single_precision(monkeypatch, tiny, made):
    seen, weights = [], []

    def look(motion, emotion):
        seen.append((motion @ emotion.T).dtype)
        return cross_batch(motion, emotion)

    monkeypatch.setitem(ORTHOGONAL, "cross-batch", look)
    config = tiny(
        epochs=9, orthogonal_weight=0.6, orthogonal_after=3.0, orthogonal_ramp=4.0, batch_size=100, precision="bfloat16"
    )
    trained(config, made(config, CLIPS), on_epoch=lambda _, method: weights.append(method.orthogonal_weight()))
    assert weights == pytest.approx([0, 0, 0, 0.15, 0.3, 0.45, 0.6, 0.6, 0.6])
    assert set(seen) == {torch.float32}
    method = MEDN(tiny(orthogonal_weight=0.3, orthogonal_after=1.0, orthogonal_ramp=0.0), PROBLEM)
    for method.epoch, expected in ((1, 0.0), (2, 0.3), (3, 0.3)):
        assert method.orthogonal_weight() == expected


# --- Downloaded weights.


def test_decay_and_learning_rate_depend_on_the_parameter(monkeypatch, tiny):
    config = tiny(trunk="resnet18", trunk_pretrained=True, score="class-attention")
    without_downloads(monkeypatch)
    method = MEDN(config, PROBLEM)
    net = method.module()
    groups = method.optimiser(net).param_groups
    settings = {id(p): (group["lr"], group["weight_decay"]) for group in groups for p in group["params"]}
    assert len(settings) == len(list(net.parameters())) == sum(len(group["params"]) for group in groups)
    for name, parameter in net.named_parameters():
        slower = config.pretrained_rate if name.startswith("motion.trunk") else 1
        plain = parameter.ndim == 1 or name.split(".")[-1] in ("position", "frame", "class_tokens", "query")
        expected = (config.learning_rate * slower, 0 if plain else config.weight_decay)
        assert settings[id(parameter)] == pytest.approx(expected), name


def test_a_failed_download_names_the_setting_without_it(monkeypatch, tiny):
    without_downloads(monkeypatch, hub=False)
    with pytest.raises(MerbenchError, match=r"resnet18 .*no route to the hub.*trunk_pretrained: false"):
        MEDN(tiny(trunk="resnet18", trunk_pretrained=True), PROBLEM).module()


def test_diagnostics_have_their_names_shapes_and_values(tiny, made):
    shapes = {"feature": (7, 8), "gate": (7, 8), "au": (7,), "kept": (7, 4, 4), "face": (7, 16, 16)}
    of_motion = {"feature/motion", "au/1", "au/4", "au/12"}
    for branches in ("both", "motion", "emotion"):
        for scales, rates in (("parallel", ["0", "0.25", "0.75"]), ("progressive", ["0.75"])):
            config = tiny(branches=branches, scales=scales, depth=3, rates=(0.0, 0.25, 0.75))
            method, test = trained(config, made(config, CLIPS)), made(config, 7, seed=1)
            before = predicted(method, test)
            shown = check_diagnostics(method.diagnose(test.without_labels()), 7)
            np.testing.assert_array_equal(predicted(method, test), before)
            of_emotion = {"feature/emotion", "face", *(f"kept/{rate}" for rate in rates)}
            both = of_motion | of_emotion | {"gate/motion"}
            assert set(shown) == {"both": both, "motion": of_motion, "emotion": of_emotion}[branches]
            assert all(values.shape == shapes[name.partition("/")[0]] for name, values in shown.items())
            if branches != "motion":
                for rate in rates:
                    assert (shown[f"kept/{rate}"].sum(axis=(1, 2)) == 16 - int(float(rate) * 16)).all()
                onset = test["faces"].batch()[:, 0].astype(float).mean(axis=-1)
                assert np.abs(shown["face"] - onset).max() <= 1
    for changes in ({"au_weight": 0.0}, {"au_least": 100}):  # action units that were not learned
        config = tiny(**changes)
        inputs = made(config, CLIPS)
        shown = trained(config, inputs).diagnose(inputs.without_labels())
        assert not [name for name in shown if name.startswith("au/")]
