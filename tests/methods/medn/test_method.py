"""MEDN as a whole: that every setting works and matters, what it learns, and what it tells of itself."""

import functools
import typing

import cv2
import numpy as np
import pandas as pd
import pytest
import timm
import torch
from merbench.methods.medn.config import Config
from merbench.methods.medn.losses import ORTHOGONAL, cross_batch
from merbench.methods.medn.method import MEDN
from timm.models.vision_transformer import VisionTransformer

from merbench.contracts.clips import clip_table
from merbench.contracts.diagnostics import check_diagnostics
from merbench.contracts.errors import MerbenchError
from merbench.contracts.inputs import ArrayInput, Inputs
from merbench.contracts.methods import Problem, RunContext, TrainingData
from merbench.contracts.protocols import ProtocolSpec
from merbench.engine.fold.folds import run_fold
from merbench.engine.fold.opening import FoldTask
from merbench.prepare.frames import ClipFrames
from merbench.prepare.kinds.build import build
from merbench.splits.split import make_split

CLASSES = ("negative", "positive", "surprise")
PROBLEM = Problem("classification", CLASSES)
CLIPS = 9
LABELS = np.array([0, 1, 2, 0, 0, 1, 0, 2, 1])


def trained(config, inputs, labels=LABELS, seed=1, on_epoch=None):
    method = MEDN(config, PROBLEM)
    people = np.array(["x/1"] * len(labels), dtype=object)
    run = RunContext(seed=seed) if on_epoch is None else RunContext(seed=seed, on_epoch=on_epoch)
    method.fit(TrainingData(inputs, labels, PROBLEM, people, people), run)
    return method


def predicted(method, inputs):
    found = method.predict(inputs.without_labels()).check(inputs.clips, PROBLEM)
    assert found.labels is None
    return found.scores


# --- Every setting works, and matters.


def alternatives(name):
    """Return all values that a setting can have, where they are few."""
    annotation = Config.model_fields[name].annotation
    if typing.get_origin(annotation) is typing.Literal:
        return typing.get_args(annotation)
    return (False, True) if annotation is bool else OTHERS.get(name, ())


OTHERS = {
    "epochs": (1, 3), "least_steps": (9,), "batch_size": (3, 100), "learning_rate": (0.02,),
    "warmup_epochs": (0.0, 1.5, 2.0),
    "gradient_norm": (None, 0.01), "weight_decay": (0.0, 5.0), "pretrained_rate": (0.5,),
    "width": (16,), "flow_size": (24,), "flow_face_size": (32,), "au_vocabulary": ((4,), (1, 2, 4, 12)),
    "au_weight": (0.0, 5.0), "au_positive_weight": (1.0, 3.0), "au_least": (4, 100),
    "frames": (2, 8), "frame_size": (24,), "change_gain": (2.0,),
    "patch": (8,), "vit_width": (16,), "heads": (1, 4), "mlp_ratio": (1.0,), "drop_path": (0.0, 0.9),
    "stem_depth": (0, 2), "depth": (3,), "vit_pretrained": (None, "a-vit"), "rates": ((0.0,), (0.5,), (0.1, 0.9)),
    "orthogonal_weight": (0.0, 2.0), "orthogonal_after": (1.0,), "orthogonal_ramp": (3.0,),
    "dropout": (0.0, 0.9), "label_smoothing": (0.0, 0.5), "emotion_class_weight": (0.0, 3.0),
    "crop": (0.3, 1.0), "colour_jitter": (0.0, 0.9),
}  # fmt: skip
# What a setting needs beside it to make a difference, or to hold.
BESIDE = {
    "trunk_stages": {"trunk": "resnet18", "flow_size": 48},
    "trunk_pretrained": {"trunk": "resnet18", "flow_size": 32},
    "pretrained_rate": {"trunk": "resnet18", "flow_size": 32, "trunk_pretrained": True},
    "vit_pretrained": {"emotion_input": "faces"},
    "scales": {"depth": 3},
    "drop_path": {"depth": 3},
    "label_smoothing": {"emotion_class_weight": 0.0},
}
# These change how fast, not what is learned, but for rounding.
SPEED = {"compiled", "channels_last"}
CASES = [(name, value) for name in Config.model_fields for value in alternatives(name)]


def a_vit(config):
    torch.manual_seed(5)
    return VisionTransformer(
        img_size=config.frame_size, patch_size=config.patch, embed_dim=config.vit_width, depth=4,
        num_heads=config.heads, mlp_ratio=config.mlp_ratio, num_classes=0,
    )  # fmt: skip


def without_downloads(monkeypatch, config):
    real = timm.create_model

    def make(name, pretrained=False, **settings):
        if not pretrained:
            return real(name, pretrained=False, **settings)
        torch.manual_seed(6)
        return a_vit(config) if name == "a-vit" else real(name, pretrained=False, **settings)

    monkeypatch.setattr(timm, "create_model", make)


@functools.cache
def usual(make_config, make_inputs, beside):
    """Return the scores of the tiny method with what stands beside a setting, and no other change."""
    config = make_config(**dict(beside))
    inputs = make_inputs(config, CLIPS)
    return predicted(trained(config, inputs), inputs)


@pytest.mark.parametrize(("name", "value"), CASES, ids=[f"{name}={value}" for name, value in CASES])
def test_every_alternative_trains_and_predicts_and_makes_a_difference(monkeypatch, tiny, made, name, value):
    beside = BESIDE.get(name, {})
    base, config = tiny(**beside), tiny(**beside | {name: value})
    without_downloads(monkeypatch, config)
    inputs = made(config, CLIPS)
    with torch.compiler.set_stance("force_eager"):
        scores = predicted(trained(config, inputs), inputs)
    assert scores.std() > 0
    if config.inputs() != base.inputs():
        return  # it asks for something else
    before = usual(tiny, made, tuple(beside.items()))
    if config == base:
        np.testing.assert_array_equal(scores, before)
    elif name in SPEED:
        np.testing.assert_allclose(scores, before, atol=1e-3)
    else:
        assert not np.array_equal(scores, before)


def test_every_setting_has_another_value_among_those_tried(tiny):
    for name in Config.model_fields:
        base = tiny(**BESIDE.get(name, {}))
        assert any(value != getattr(base, name) for value in alternatives(name)), name


# --- What it learns.


def spec():
    return ProtocolSpec.model_validate(
        {
            "name": "toy", "title": "Toy", "summary": "A toy.", "source": {"text": "tests"}, "classes": CLASSES,
            "datasets": {name: {"title": name, "classes": {}} for name in ("casme2", "smic-hs")},
            "folds": "leave-one-subject-out",
        }
    )  # fmt: skip


EACH = 30  # clips of either subject


def two_people(shuffled=False):
    """Split made-up clips of two people into two folds; all classes alike often."""
    names = np.array([CLASSES[n % 3] for n in range(EACH)])
    rows = []
    for dataset, subject in (("casme2", "sub06"), ("smic-hs", "s06")):
        rng = np.random.default_rng(len(subject))
        emotions = rng.permutation(names) if shuffled else names
        rows += [
            {"dataset": dataset, "subject": subject, "clip": f"take{n:02d}", "emotion": emotion}
            for n, emotion in enumerate(emotions)
        ]
    return make_split(spec(), clip_table(pd.DataFrame(rows), "toy"))


COURSES = np.array(  # of a movement from onset, frame 0, to apex, frame 4: early rise; late rise; and one that stays
    [[0, 0.9, 1, 1, 1, 0.2, 0.1, 0], [0, 0.1, 0.1, 0.2, 1, 0.2, 0.1, 0], [0, 0.1, 0.1, 0.2, 1, 0.9, 0.9, 0]]
)
TRUTH = np.arange(2 * EACH) % 3  # what the clips show, whatever their labels


def faces_with_a_course():
    """Faces of which the class is told by when a patch brightens; onset and apex are the same for all classes."""
    rng = np.random.default_rng(0)
    still = rng.integers(40, 160, (2 * EACH, 1, 16, 16, 1)).repeat(8, axis=1)
    still[:, :, 4:8, 8:12] += (80 * COURSES[TRUTH]).astype(int)[:, :, None, None, None]
    return still.astype(np.uint8)


def flow_with_a_direction():
    """Flow of which the class is told by its direction in one place, among noise."""
    rng = np.random.default_rng(0)
    vectors = 0.2 * rng.standard_normal((2 * EACH, 16, 16, 2)).astype(np.float32)
    angle = 2 * np.pi * TRUTH / 3 + 0.3
    vectors[:, 4:12, 4:12] += np.stack([np.cos(angle), np.sin(angle)], axis=-1)[:, None, None]
    return vectors


def accuracy(config, inputs, split, **options):
    """Train and test both folds through the engine; return outcomes, predictions, and the share that is right."""
    outcomes = [run_fold(FoldTask(MEDN, config, split, inputs, 0, **options), fold.name) for fold in split.folds]
    for outcome in outcomes:
        assert outcome.failure is None, outcome.failure.traceback
    table = pd.concat([outcome.predictions for outcome in outcomes])
    return outcomes, table, (table.truth == table.predicted).mean()


LEARNING = {"epochs": 15, "batch_size": 10, "learning_rate": 0.01, "width": 16, "vit_width": 16, "colour": "grey",
            "flip": False, "crop": 1.0, "colour_jitter": 0.0, "drop_path": 0.0, "dropout": 0.0}  # fmt: skip
SMIC = range(EACH, 2 * EACH)  # whose clips have no action units
NO_FLOW = np.zeros((2 * EACH, 16, 16, 2), dtype=np.float32)  # nothing to be learnt, and nothing by heart


def test_what_only_time_shows_is_learnt_of_faces(tiny, made):
    config = tiny(**LEARNING, frames=8)
    inputs = made(config, 2 * EACH, unlabelled=SMIC, faces=faces_with_a_course(), flow=NO_FLOW)
    outcomes, _, right = accuracy(config, inputs, two_people())
    assert [outcome.clips for outcome in outcomes] == [EACH, EACH]
    assert right > 0.9


def test_shuffled_labels_fall_to_chance(tiny, made):
    config = tiny(**LEARNING, frames=8)
    inputs = made(config, 2 * EACH, unlabelled=SMIC, faces=faces_with_a_course(), flow=NO_FLOW)
    assert accuracy(config, inputs, two_people(shuffled=True))[2] < 1 / 3 + 4 * (2 / 9 / (2 * EACH)) ** 0.5


def test_onset_and_apex_alone_do_not_show_it(tiny, made):
    config = tiny(**LEARNING, frames=2, branches="emotion")
    inputs = made(config, 2 * EACH, faces=faces_with_a_course()[:, [0, 4]])
    assert accuracy(config, inputs, two_people())[2] < 1 / 3 + 4 * (2 / 9 / (2 * EACH)) ** 0.5


@pytest.mark.parametrize("motion_input", ["hsv", "uvs"])
def test_motion_alone_learns_what_flow_shows(tiny, made, motion_input):
    config = tiny(**LEARNING, branches="motion", motion_input=motion_input)
    vectors = flow_with_a_direction()
    if motion_input == "uvs":
        vectors = np.concatenate([vectors, np.ones_like(vectors[..., :1])], axis=-1)
    inputs = made(config, 2 * EACH, unlabelled=SMIC, flow=vectors)
    assert accuracy(config, inputs, two_people())[2] > 0.9


def test_action_units_of_unseen_clips_are_told_from_their_flow(tiny, made):
    config = tiny(**LEARNING, branches="motion", au_vocabulary=(1, 4, 12), au_weight=2.0)
    shown = np.eye(3, dtype=np.float32)[TRUTH]  # one unit a class
    inputs = made(config, 2 * EACH, flow=flow_with_a_direction(), action_units=shown)
    outcomes, _, _ = accuracy(config, inputs, two_people(), diagnose=True)
    for outcome in outcomes:
        truth = outcome.diagnostics["test/truth"]
        for unit, emotion in zip((1, 4, 12), CLASSES, strict=True):
            said = outcome.diagnostics[f"test/au/{unit}"] > 0
            assert (said == (truth == emotion)).mean() > 0.9


def test_clips_without_any_action_unit_train(tiny, made):
    """As SMIC's are: then the AU task is silent, and its weight means nothing."""
    scores = []
    for weight in (0.1, 5.0):
        config = tiny(au_weight=weight)
        inputs = made(config, CLIPS, unlabelled=range(CLIPS))
        method = trained(config, inputs)
        scores.append(predicted(method, inputs))
    np.testing.assert_allclose(*scores, atol=1e-5)


# --- What it does not depend on.


def test_the_same_seed_gives_the_same_scores_bit_for_bit_and_another_seed_others(tiny, made):
    config = tiny(score="random")  # draws in training, on top of dropout, dropped paths, augmentation and order
    inputs = made(config, CLIPS)
    first, again, other = (predicted(trained(config, inputs, seed=seed), inputs) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other, atol=1e-3)


def test_draws_made_elsewhere_change_nothing(tiny, made):
    config = tiny()
    inputs = made(config, CLIPS)
    first = predicted(trained(config, inputs), inputs)
    torch.rand(7), np.random.random(3)  # noqa: NPY002
    np.testing.assert_array_equal(predicted(trained(config, inputs), inputs), first)


@pytest.mark.parametrize("score", typing.get_args(Config.model_fields["score"].annotation))
def test_a_prediction_does_not_depend_on_company_and_is_the_same_again(tiny, made, score):
    config = tiny(score=score, residual_token=True)
    method = trained(config, made(config, CLIPS))
    test = made(config, 7, seed=1)
    together = predicted(method, test)
    np.testing.assert_array_equal(predicted(method, test), together)
    order = np.array([4, 2, 6, 0, 1, 5, 3])
    np.testing.assert_allclose(predicted(method, test.take(order)), together[order], atol=1e-5)
    for row in range(7):
        np.testing.assert_allclose(predicted(method, test.take(np.array([row])))[0], together[row], atol=1e-5)


def clip_on_disk(folder, name, between):
    """Write a clip whose onset, apex and offset are always the same, and what lies between is drawn."""
    rng, drawn = np.random.default_rng(0), np.random.default_rng(between)
    files = {}
    for number in range(1, 10):
        ends = rng.integers(0, 256, (32, 32), dtype=np.uint8)
        picture = ends if number in (1, 5, 9) else drawn.integers(0, 256, (32, 32), dtype=np.uint8)
        files[number] = folder / f"{name}_{number}.png"
        cv2.imwrite(str(files[number]), picture)
    return ClipFrames(name, 1, 5, 9, files, cropped=True)


def test_with_onset_and_apex_alone_what_lies_between_changes_no_bit_and_with_more_it_does(tiny, made, tmp_path):
    for frames, same in ((2, True), (8, False)):
        config = tiny(frames=frames)
        scores = []
        for between in (1, 2):
            clip = clip_on_disk(tmp_path, f"clip{between}", between)
            arrays = {}
            for name, input_spec in config.inputs().items():
                if name != "action_units":
                    settled = input_spec.model_copy(update={"faces": "delivered"})
                    arrays[name] = ArrayInput(input_spec, build(settled, clip)[None])
            scores.append(trained(config, made(config, CLIPS)).predict(Inputs(arrays, 1)).scores)
        assert np.array_equal(*scores) is same


# --- Training.


def test_faces_and_flow_of_a_clip_are_augmented_by_one_draw_and_units_not_at_all(tiny, made):
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
    mirrored = found["flow"][:, 0, 8, 8] < 0
    assert 0 < mirrored.sum() < 12
    assert torch.equal(found["action_units"], batch["action_units"])


def test_the_orthogonal_loss_waits_then_rises_then_stays(tiny, made):
    config = tiny(epochs=9, orthogonal_weight=0.6, orthogonal_after=3.0, orthogonal_ramp=4.0, batch_size=100)
    told = []

    def look(epoch, method):
        told.append(method.orthogonal_weight())
        return False

    trained(config, made(config, CLIPS), on_epoch=look)
    assert told == pytest.approx([0, 0, 0, 0.15, 0.3, 0.45, 0.6, 0.6, 0.6])


def test_without_ramp_the_orthogonal_loss_is_there_at_once(tiny):
    method = MEDN(tiny(orthogonal_weight=0.3, orthogonal_after=1.0, orthogonal_ramp=0.0), PROBLEM)
    for method.epoch, expected in ((1, 0.0), (2, 0.3), (3, 0.3)):
        assert method.orthogonal_weight() == expected


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_orthogonal_loss_is_computed_in_32_bits_whatever_the_precision(monkeypatch, tiny, made, precision):
    seen = []

    def look(motion, emotion):
        seen.append((motion @ emotion.T).dtype)
        return cross_batch(motion, emotion)

    monkeypatch.setitem(ORTHOGONAL, "cross-batch", look)
    config = tiny(precision=precision)
    trained(config, made(config, CLIPS))
    assert set(seen) == {torch.float32}


def test_before_its_time_the_orthogonal_loss_changes_nothing(tiny, made):
    scores = []
    for weight in (0.0, 5.0):
        config = tiny(orthogonal_weight=weight, orthogonal_after=2.0)
        inputs = made(config, CLIPS)
        scores.append(predicted(trained(config, inputs), inputs))
    np.testing.assert_array_equal(*scores)


def test_the_orthogonal_loss_parts_the_features(tiny, made):
    found = {}
    for weight in (0.0, 2.0):
        config = tiny(**LEARNING, orthogonal_weight=weight, orthogonal="squared-cosine")
        inputs = made(config, 40)
        told = trained(config, inputs, labels=np.arange(40) % 3).diagnose(inputs.without_labels())
        motion, emotion = told["feature/motion"], told["feature/emotion"]
        lengths = np.linalg.norm(motion, axis=1) * np.linalg.norm(emotion, axis=1)
        found[weight] = (((motion * emotion).sum(axis=1) / lengths) ** 2).mean()
    assert found[2.0] < found[0.0] / 3


DOWNLOADED = ("motion.trunk", "emotion.stem", "emotion.blocks", "emotion.position", "emotion.embed.patches.faces")


def test_biases_norms_and_positions_do_not_decay_and_downloaded_weights_learn_slower(monkeypatch, tiny):
    config = tiny(
        trunk="resnet18", trunk_pretrained=True, vit_pretrained="a-vit", emotion_input="faces", score="class-attention"
    )
    without_downloads(monkeypatch, config)
    method = MEDN(config, PROBLEM)
    net = method.module()
    groups = method.optimiser(net).param_groups
    settings = {id(p): (group["lr"], group["weight_decay"]) for group in groups for p in group["params"]}
    assert len(settings) == len(list(net.parameters())) == sum(len(group["params"]) for group in groups)
    for name, parameter in net.named_parameters():
        rate, decay = settings[id(parameter)]
        downloaded = name.startswith(DOWNLOADED)
        assert rate == pytest.approx(config.learning_rate * (config.pretrained_rate if downloaded else 1)), name
        plain = parameter.ndim == 1 or name.split(".")[-1] in ("position", "frame", "class_tokens", "query")
        assert decay == (0 if plain else config.weight_decay), name


# --- Weights from elsewhere.


def test_a_vit_lends_its_positions_patches_and_blocks(monkeypatch, tiny):
    config = tiny(vit_pretrained="a-vit", emotion_input="faces", depth=2)
    without_downloads(monkeypatch, config)
    vit, source = MEDN(config, PROBLEM).module().emotion, a_vit(config)
    assert torch.equal(vit.position[0, 0], source.pos_embed[0, 1:])
    assert torch.equal(vit.embed.patches["faces"].weight, source.patch_embed.proj.weight)
    for mine, theirs in zip([*vit.stem, *vit.blocks], source.blocks[:3], strict=True):
        assert torch.equal(mine.attn.qkv.weight, theirs.attn.qkv.weight)
        assert torch.equal(mine.mlp.fc2.weight, theirs.mlp.fc2.weight)


@pytest.mark.parametrize(
    ("changes", "instead"),
    [
        ({"trunk": "resnet18", "trunk_pretrained": True}, "the weights of resnet18 .*trunk_pretrained: false"),
        (
            {"vit_pretrained": "deit_tiny_patch16_224", "emotion_input": "faces"},
            "the weights of deit_tiny_patch16_224 .*vit_pretrained: null",
        ),
    ],
)
def test_weights_that_cannot_be_downloaded_are_told_in_one_line(monkeypatch, tiny, made, changes, instead):
    real = timm.create_model

    def make(name, pretrained=False, **settings):
        if pretrained:
            raise OSError("no route to the hub\nsecond line")
        return real(name, **settings)

    monkeypatch.setattr(timm, "create_model", make)
    config = tiny(**changes)
    with pytest.raises(MerbenchError, match=instead) as raised:
        trained(config, made(config, CLIPS))
    said = str(raised.value)
    assert "no route to the hub" in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    "changes",
    [{"vit_width": 16}, {"patch": 8}, {"mlp_ratio": 4.0}, {"colour": "grey"}, {"heads": 4}, {"depth": 4}],
    ids=lambda each: next(iter(each)),
)
def test_a_vit_of_another_size_is_refused_with_the_settings_that_would_fit(monkeypatch, tiny, changes):
    without_downloads(monkeypatch, tiny())
    with pytest.raises(
        MerbenchError, match=r"vit_pretrained: a-vit does not fit .*vit_width.*patch.*mlp_ratio.*colour"
    ):
        MEDN(tiny(vit_pretrained="a-vit", emotion_input="faces", **changes), PROBLEM).module()


# --- What it tells of itself.


@pytest.mark.parametrize("scales", ["parallel", "progressive"])
@pytest.mark.parametrize("branches", ["both", "motion", "emotion"])
def test_it_tells_features_gates_kept_places_action_units_and_a_face(tiny, made, branches, scales):
    config = tiny(branches=branches, scales=scales, depth=3, rates=(0.0, 0.25, 0.75))
    method = trained(config, made(config, CLIPS))
    test = made(config, 7, seed=1)
    before = predicted(method, test)
    told = check_diagnostics(method.diagnose(test.without_labels()), 7)
    np.testing.assert_array_equal(predicted(method, test), before)
    rates = ["0", "0.25", "0.75"] if scales == "parallel" else ["0.75"]
    of_motion = {"feature/motion", "au/1", "au/4", "au/12"}
    of_emotion = {"feature/emotion", "face", *(f"kept/{rate}" for rate in rates)}
    expected = {"both": of_motion | of_emotion | {"gate/motion"}, "motion": of_motion, "emotion": of_emotion}
    assert set(told) == expected[branches]
    for name, values in told.items():
        kind = name.partition("/")[0]
        assert (
            values.shape
            == {"feature": (7, 8), "gate": (7, 8), "au": (7,), "kept": (7, 4, 4), "face": (7, 16, 16)}[kind]
        )
    if branches != "motion":
        for rate in rates:
            assert (told[f"kept/{rate}"].sum(axis=(1, 2)) == 16 - int(float(rate) * 16)).all()
        onset = test["faces"].batch()[:, 0].astype(float).mean(axis=-1)
        assert np.abs(told["face"] - onset).max() <= 1
    if branches == "both":
        assert told["gate/motion"].std() > 0


@pytest.mark.parametrize("changes", [{"au_weight": 0.0}, {"au_least": 100}])
def test_action_units_that_were_not_learned_are_not_told_of(tiny, made, changes):
    config = tiny(**changes)
    inputs = made(config, CLIPS)
    told = trained(config, inputs).diagnose(inputs.without_labels())
    assert "feature/motion" in told
    assert not [name for name in told if name.startswith("au/")]


def test_what_it_tells_of_a_clip_does_not_depend_on_its_company(tiny, made):
    config = tiny()
    method = trained(config, made(config, CLIPS))
    test = made(config, 7, seed=1).without_labels()
    together = method.diagnose(test)
    for row in range(7):
        for name, values in method.diagnose(test.take(np.array([row]))).items():
            np.testing.assert_allclose(values[0], together[name][row], atol=1e-5, err_msg=name)


def test_the_engine_keeps_what_it_tells_of_test_clips_and_features_of_training_clips(tiny, made):
    config = tiny()
    inputs = made(config, 2 * EACH, unlabelled=SMIC)
    outcome = run_fold(FoldTask(MEDN, config, two_people(), inputs, 0, diagnose=True), "smic-hs/s06")
    assert outcome.failure is None, outcome.failure.traceback
    told = {name for name in outcome.diagnostics if name.split("/")[1] in ("feature", "gate", "kept", "au", "face")}
    of_test = ["feature/motion", "feature/emotion", "gate/motion", "au/1", "au/4", "au/12", "face"]
    of_test += [f"kept/{rate:g}" for rate in config.rates]
    assert told == {*(f"test/{name}" for name in of_test), "train/feature/motion", "train/feature/emotion"}
    assert outcome.diagnostics["train/feature/motion"].shape == (EACH, 8)
