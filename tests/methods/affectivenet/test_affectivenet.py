"""AffectiveNet: what its design promises. Pictures are tested in prepare/kinds/test_dynamic_image.py."""

import numpy as np
import pytest
import torch
from merbench.methods.affectivenet.method import AffectiveNet
from merbench.methods.affectivenet.net import Net
from support.folds import PROBLEM, training_data
from torch import nn
from torch.testing import assert_close

from merbench.contracts.diagnostics import check_diagnostics
from merbench.contracts.errors import MerbenchError
from merbench.contracts.inputs import ArrayInput, Inputs
from merbench.contracts.methods import RunContext
from merbench.engine.plan.catalogue import METHODS
from merbench.training.layers import sig_leaky

AFFECTIVENET = METHODS.get("affectivenet")
SIZE = 32


def net(**changes):
    torch.manual_seed(5)
    narrow = {"size": SIZE, "widths": (3, 4, 5, 6), "pool": 2, "hidden": 7}
    return Net(AFFECTIVENET.resolve("full").model_copy(update=narrow | changes), 3)


def test_parameters_are_as_many_as_designed():
    def count(name, classes, **changes):
        config = AFFECTIVENET.resolve(name).model_copy(update=changes)
        return sum(values.numel() for values in Net(config, classes).parameters())

    assert count("full", 5) == 1_818_501
    small = {"size": 56, "widths": (8, 16, 32, 128), "pool": 2, "hidden": 64}
    assert count("full", 3, **small) == 228_291
    assert count("full", 5, mfl="off") == 1_818_501 - 4 * (9 * 32 * 64 + 64 + 2 * 64)  # its convolution and norm
    assert count("full", 5, mfl="concat") == 1_818_501 + 4 * (2 * 64 + 9 * 64 * 256)
    assert count("full", 5, picture="active") == 1_818_501 - 2 * 16 * (9 + 25 + 49 + 121)


def test_a_wider_stream_sees_a_change_of_nine_pixels_at_more_places():
    picture, made = torch.rand(1, 3, SIZE, SIZE), net()
    touched = picture.clone()
    touched[:, :, 16:19, 16:19] += 1
    seen = {int(name): stream.edges[0] for name, stream in made.streams.items()}
    reached = {k: int((each(touched) != each(picture)).any(dim=1).sum()) for k, each in seen.items()}
    firsts = {k: [2 * place - k // 2 for place in range(SIZE // 2)] for k in seen}  # pixels of each window
    assert reached == {k: sum(16 - k < first < 19 for first in firsts[k]) ** 2 for k in seen}
    assert list(reached.values()) == [4, 16, 16, 36]


def test_mfl_is_a_second_path_from_the_first_level():
    first = torch.randn(4, 4, 8, 8, requires_grad=True)
    for mfl, width in (("sum", 5), ("concat", 10), ("off", 5)):
        stream = net(mfl=mfl).streams["3"]
        assert any("mfl" in name for name, _ in stream.named_parameters()) is (mfl != "off")
        with torch.no_grad():
            stream.second[0].weight.zero_()  # the first path
        found = stream.combined(first)
        (gradient,) = torch.autograd.grad((found * torch.randn_like(found)).sum(), first)
        assert found.shape == (4, width, 4, 4)
        assert bool(gradient.abs().max() > 1e-3) is (mfl != "off"), mfl
    summed = net().streams["5"]
    early = nn.functional.conv2d(first, summed.mfl[0].weight, summed.mfl[0].bias, stride=2, padding=1)
    assert_close(summed.combined(first), summed.norm(summed.second(first) + torch.relu(early)))


def test_a_dropped_stream_leaves_the_others_as_they_were():
    picture, whole = torch.rand(6, 3, SIZE, SIZE), net()
    expected = whole(picture).streams
    for dropped in (3, 5, 7, 11):
        rest = {kernel: values for kernel, values in expected.items() if kernel != dropped}
        assert_close(net(kernels=tuple(rest))(picture).streams, rest, rtol=0, atol=0)
    parameters = dict(whole.named_parameters())
    for mfl, grown in (("off", ()), ("concat", ("joined", "norm"))):
        for name, values in net(mfl=mfl).named_parameters():
            assert any(part in name for part in grown) or torch.equal(values, parameters[name]), (mfl, name)
    assert not torch.equal(*[whole.streams[kernel].mfl[0].weight for kernel in ("3", "5")])


def test_the_activation_is_originets():
    x = torch.tensor([-2.0, 0.0, 3.0])
    sigmoid = 1 / (1 + np.exp(-x.numpy()))
    np.testing.assert_allclose(sig_leaky()(x).numpy(), sigmoid + sigmoid * np.array([-0.2, 0, 3]), rtol=1e-6)
    assert sum(isinstance(part, type(sig_leaky())) for part in net(activation="sigleaky").modules()) == 4 * 4 + 1


def test_pictures_are_scaled_then_moved_alike_in_all_channels():
    still = torch.randint(0, 256, (1, 1, 24, 24), dtype=torch.uint8).expand(8, 3, 24, 24)
    for centred in (False, True):
        config = AFFECTIVENET.resolve("tiny", {"centred": str(centred).lower(), "rotation": "10"})
        found = AffectiveNet(config, PROBLEM)
        moved = found.augment({"picture": still}, torch.Generator().manual_seed(3))["picture"]
        assert torch.equal(moved[:, 0], moved[:, 2])
        assert len({each.numpy().tobytes() for each in moved}) == 8
        assert_close(found.scaled(still), (still - centred * still[0].median().float()) / 255)


def test_settings_reach_training_inputs_and_diagnostics():
    config = AFFECTIVENET.resolve("tiny", {"class_weights": "balanced", "epochs": "1"})
    values = np.random.default_rng(0).integers(0, 256, (8, 24, 24, 3), dtype=np.uint8)
    inputs = Inputs({"picture": ArrayInput(config.inputs()["picture"], values)}, 8)
    found = AffectiveNet(config, PROBLEM)
    found.fit(training_data(inputs, [0, 0, 0, 0, 0, 0, 1, 1]), RunContext(seed=1))
    assert found._class_weights[:2].tolist() == pytest.approx([8 / (2 * 6), 8 / (2 * 2)])
    shown = check_diagnostics(found.diagnose(inputs), 8)
    assert {name: values.shape for name, values in shown.items()} == {
        "feature/stream-3": (8, 8), "feature/stream-7": (8, 8), "feature/joined": (8, 8),
    }  # fmt: skip
    for changes, named in (
        ({}, "dynamic-image(onset-offset, 112)"),
        ({"picture": "active", "magnify": "evm"}, "dynamic-image(onset-offset, 112, weights=active, magnify=evm)"),
    ):
        assert str(AFFECTIVENET.resolve("full", changes).inputs()["picture"]) == named
    wrong = {"kernels": "[3, 4]", "pool": "8", "padding": "112", "widths": "[0, 1, 1, 1]"}
    for name, value in [*wrong.items(), ("kernels", "[5, 3]")]:
        with pytest.raises(MerbenchError, match=f"{name} .*must"):
            AFFECTIVENET.resolve("full", {name: value})
