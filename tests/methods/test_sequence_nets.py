"""Nets on sequences: parity with their authors' code where arrays of it exist, sizes, and what can't be had."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from merbench.methods.mersiamc3d.net import Similarity, pair_loss
from merbench.methods.skd_tstsan.losses import distillation, feature_distance
from merbench.methods.skd_tstsan.net import Net as SKDTSTSAN
from merbench.methods.slstt.net import Net as SLSTT
from merbench.methods.slstt.net import coloured
from support.folds import training_data
from support.nets import count, made
from support.parity import arrays_of
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from torch.testing import assert_close

from merbench.contracts.errors import MerbenchError
from merbench.contracts.inputs import ArrayInput, Inputs
from merbench.prepare.kinds.flow import colour
from merbench.training.losses import focal_loss
from merbench.training.phases import freeze

#: The authors' names of parts of a transformer block, and timm's.
BLOCK = {"proj.": "attn.proj.", "pwff.": "mlp.", "norm1.": "norm1.", "norm2.": "norm2."}


def state_of_slstt(arrays, aggregation):
    """Return the weights of the authors' net under our names."""
    found = {"vit.cls_token": arrays["state/vit.class_token"]}
    found["vit.pos_embed"] = arrays["state/vit.positional_embedding.pos_embedding"]
    for key, values in arrays.items():
        name = key.removeprefix("state/")
        rest, end = name.rpartition(".")[::2]
        if "transformer" in name and "attn" not in name:
            number, part = name.removeprefix("vit.transformer.blocks.").split(".", 1)
            start = next(each for each in BLOCK if part.startswith(each))
            found[f"vit.blocks.{number}.{BLOCK[start]}{part.removeprefix(start)}"] = values
        elif rest.endswith("proj_q"):
            block = rest.removeprefix("vit.transformer.").removesuffix(".proj_q")
            parts = [arrays[f"state/{rest[:-1]}{each}.{end}"] for each in "qkv"]
            found[f"vit.{block}.qkv.{end}"] = torch.cat(parts)
        elif rest in ("vit.patch_embedding", "vit.norm") or rest.startswith("lstm"):
            found[name.replace("vit.patch_embedding", "vit.patch_embed.proj").replace("vit.norm", "norm")] = values
    heads = {"vit.fc": "classifier"} if aggregation == "mean" else {"fc1": "classifier.0", "fc2": "classifier.2"}
    found |= {
        f"{own}.{end}": arrays[f"state/{name}.{end}"] for name, own in heads.items() for end in ("weight", "bias")
    }
    return {name: values for name, values in found.items() if aggregation == "lstm" or "lstm" not in name}


def test_slstt_equals_its_authors_with_both_ways_of_joining_frames(shared):
    arrays = arrays_of(shared, "slstt_small")
    sizes = {"size": 32, "patch": 8, "width": 16, "depth": 2, "heads": 4, "mlp_ratio": 2, "face_size": 32}
    sizes |= {"lstm_width": 12, "lstm_layers": 3, "hidden": 8, "frames": 4}
    for aggregation in ("lstm", "mean"):
        config = made("slstt", aggregation=aggregation, **sizes).config
        net = SLSTT(config, 3).eval()
        net.load_state_dict(state_of_slstt(arrays, aggregation))
        assert_close(net(arrays["in/x"]), arrays[f"out/logits_{aggregation}"], rtol=1e-4, atol=1e-5)
        assert_close(net(net.encoded(arrays["in/x"])), net(arrays["in/x"]))


def test_of_slstt_a_fourteenth_learns():
    method = made("slstt", "full", pretrained=False)
    with torch.device("meta"):
        net = method.module()
    (phase,) = method.phases(SimpleNamespace(inputs=None, labels=None), None)
    freeze(net, phase.rates)
    learned = sum(values.numel() for values in net.parameters() if values.requires_grad)
    assert (round(count(net) / 1e6, 2), round(learned / 1e6, 2)) == (93.05, 6.96)
    assert [round(method.config.rate(epoch, 40), 3) for epoch in (0, 1, 2, 3.99, 4, 5)] == [1, 0.854, 0.5, 0, 1, 0.854]


def test_a_frozen_transformer_encodes_each_clip_once_as_in_prediction():
    method = made("slstt", frozen=True)
    values = np.random.default_rng(0).normal(size=(3, 2, 32, 32, 2)).astype(np.float32)
    inputs = Inputs({"pictures": ArrayInput(method.declare_inputs(method.config)["pictures"], values)}, 3)
    method.net, method._device = method.module(), torch.device("cpu")
    batch = method._encoded(inputs, None)
    assert batch["pictures"].shape == (3, 2, 8)
    assert_close(
        method.scores(method.net, batch), method.scores(method.net, method.tensors(inputs)), rtol=1e-4, atol=1e-5
    )


def test_flow_is_drawn_as_opencv_draws_it():
    field = np.random.default_rng(1).normal(size=(24, 20, 2)).astype(np.float32)
    drawn = coloured(torch.from_numpy(field).movedim(-1, 0)).movedim(0, -1).numpy() * 255
    assert np.abs(drawn - colour(field)).max() < 10  # OpenCV's hue is in steps of 2 degrees
    assert coloured(torch.zeros(2, 4, 4)).sum() == 0


def test_skd_tstsan_has_the_size_of_its_code_and_shifts_time():
    with torch.device("meta"):
        assert count(SKDTSTSAN(5, 64, 32, 2.0, 0.2)) == 2_946_214
    net = SKDTSTSAN(3, 8, 2, 2.0, 0.2).eval()
    shift = net.streams["flow"].heads[0][0][0]
    maps = torch.arange(2 * 8.0).view(2, 8, 1, 1)
    assert shift(maps).flatten().tolist() == [8, 0, *range(2, 8), 0, 1, *range(10, 16)]
    method = made("skd-tstsan")
    size = method.config.size
    frames = np.zeros((1, 2, 4 * size, 4 * size, 1), np.uint8)
    frames[0, 1, size : 2 * size, 3 * size :] = 200  # the block of row 1, column 3
    specs = method.declare_inputs(method.config)
    flow = np.zeros((1, size, size, 2), np.uint8)
    arrays = {"frames": frames, "rise": flow, "decay": flow + 51}
    batch = method.tensors(Inputs({name: ArrayInput(specs[name], each) for name, each in arrays.items()}, 1))
    assert batch["blocks"].sum(dim=(0, 3, 4)).nonzero().tolist() == [[1, 7]]
    assert batch["blocks"].amax() == 1
    assert_close(batch["faces"][0, 1, 0].mean(), torch.tensor(1 / 16))
    assert batch["flows"].mean(dim=(0, 2, 3, 4)).tolist() == pytest.approx([0, 0.2])


def test_focal_loss_and_distillation():
    scores, labels = torch.randn(6, 3), torch.tensor([0, 1, 2, 0, 1, 1])
    weights = torch.tensor([1.0, 2.0, 3.0])
    assert_close(focal_loss(scores, labels, weights, gamma=0), cross_entropy(scores, labels, weights))
    chance = scores.softmax(dim=1)[torch.arange(6), labels]
    assert_close(focal_loss(scores, labels), (-((1 - chance) ** 2) * chance.log()).mean())
    teacher = torch.randn(6, 3, requires_grad=True)
    wanted, soft = (teacher / 3).softmax(1), (scores / 3).softmax(1)
    assert_close(distillation(scores, teacher, 3), 9 * (wanted * (wanted / soft).log()).sum(dim=1).mean())
    student = scores.clone().requires_grad_()
    (distillation(student, teacher, 3) + feature_distance(student, teacher)).backward()
    assert teacher.grad is None
    assert student.grad is not None


def test_pairs_of_like_and_unlike_clips_count_alike():
    torch.manual_seed(0)
    features, labels = torch.rand(4, 8), torch.tensor([0, 0, 1, 2])
    similarity = Similarity(8)
    scores = similarity(features)
    assert_close(scores[1, 2], similarity.weight[0] @ (features[1] - features[2]).abs() + similarity.bias[0])
    pairs = [(a, b) for a in range(4) for b in range(a + 1, 4)]
    parts = [binary_cross_entropy_with_logits(scores[a, b], (labels[a] == labels[b]).float()) for a, b in pairs]
    assert_close(pair_loss(scores, labels), parts[0] / 2 + sum(parts[1:]) / 10)
    first, second = made("mersiamc3d").phases(*_fold())
    assert (first.name, list(first.heads), list(second.heads)) == ("pairs", ["similarity"], ["classifier"])


def _fold():
    method = made("mersiamc3d")
    values = np.zeros((4, 3, 16, 16, 1), np.uint8)
    inputs = Inputs({"pictures": ArrayInput(method.declare_inputs(method.config)["pictures"], values)}, 4)
    return training_data(inputs, [0, 1, 2, 0]), None


def test_what_can_not_be_had_is_one_line(monkeypatch):
    def offline(*_, **settings):
        assert settings.get("pretrained")
        raise OSError("no route to the hub")

    for name, settings, part in (
        ("slstt", {"size": 20}, "size 20 must be a multiple of patch 8"),
        ("slstt", {"face_size": 40}, "face_size 40 must be a multiple of size 16"),
        ("slstt", {"pretrained": True}, "pretrained: true needs the sizes of ViT-B/16 at 384 pixels, or set"),
        ("slstt", {"frozen": True, "flip": True}, "frozen: true encodes every clip once: set flip"),
        ("mersiamc3d", {"widths": "[4, 4, 4, 4, 4]"}, "size 16 is too small for 5 levels: take 32 or more"),
        ("mersiamc3d", {"widths": "[]"}, "widths must be one or more"),
    ):
        with pytest.raises(MerbenchError, match=part) as raised:
            made(name, **settings)
        assert len(str(raised.value).splitlines()) == 1
    monkeypatch.setattr("timm.create_model", offline)
    with pytest.raises(
        MerbenchError, match=r"weights of vit_base_patch16_384.* can't be downloaded .* pretrained: false"
    ):
        made("slstt", "full").module()
