import math

import pytest
import torch
from support.cases import each
from torch import nn

from merbench.training.layers import FastDropout, same_convolution

dropped = FastDropout()


def test_every_element_has_an_even_and_independent_chance():
    """Eight elements share a random number: each of them, each pair of neighbours, and each row must still be even."""
    torch.manual_seed(1)
    kept = torch.stack([dropped(torch.ones(4, 33)) for _ in range(4000)]) / 2
    assert (kept.mean(0) - 0.5).abs().max() < 5 * 0.5 / math.sqrt(4000)
    flat = kept.flatten(1)
    for distance in each((1, 2, 3, 4, 7, 8, 16, 33)):
        both = (flat[:, distance:] * flat[:, :-distance]).mean(0)
        assert (both - 0.25).abs().max() < 5 * math.sqrt(0.25 * 0.75 / 4000)
    x = torch.rand(200_000)
    ours, theirs = dropped(x), nn.Dropout(0.5)(x)
    assert ours.mean().item() == pytest.approx(theirs.mean().item(), rel=0.02)
    assert ours.std().item() == pytest.approx(theirs.std().item(), rel=0.02)


MAPS = torch.rand(10, 6, 14, 3) + 1
LAYOUTS = {
    "contiguous": MAPS[:5],
    "channels last": MAPS[:5].to(memory_format=torch.channels_last),
    "permuted": MAPS[:5].permute(3, 0, 2, 1),
    "strided": MAPS[::2, :, ::2],
    "expanded": MAPS[:5, :1, :, :1].expand(5, 6, 14, 3),
    "offset": MAPS[1:6],
    "one row": MAPS[4:5],
    "odd number": torch.rand(13) + 1,
    "scalar": torch.rand(()) + 1,
    "half": (torch.rand(5, 6) + 1).half(),
    "double": (torch.rand(5, 6) + 1).double(),
}


def test_every_layout_in_memory_is_dropped_element_by_element():
    for _, x in each(LAYOUTS.items()):
        torch.manual_seed(3)
        before = x.clone()
        total = torch.zeros_like(x, dtype=torch.double)
        for _ in range(400):
            y = dropped(x)
            assert (y.shape, y.dtype) == (x.shape, x.dtype)
            assert ((y == 0) | (y == 2 * x)).all()
            total += y != 0
        assert torch.equal(x, before)
        assert (total / 400 - 0.5).abs().max() < 6 * 0.5 / math.sqrt(400)
    assert dropped(LAYOUTS["channels last"]).is_contiguous(memory_format=torch.channels_last)
    assert dropped(torch.empty(0, 4)).shape == (0, 4)
    assert FastDropout().eval()(x) is x


def test_a_seed_decides_the_draws_and_the_gradient_passes_where_the_element_did():
    x = torch.rand(50, 9, requires_grad=True)
    torch.manual_seed(5)
    first, second = dropped(x), dropped(x)
    assert not torch.equal(first, second)
    torch.manual_seed(5)
    assert torch.equal(dropped(x), first)
    first.sum().backward()
    assert torch.equal(x.grad, 2.0 * (first != 0))


def test_same_padding_divides_the_side_and_pads_more_below():
    """Of Keras: pixels lacking are divided evenly, one more on the right and below."""
    for side, kernel, (before, after) in (
        (6, 3, (0, 1)),
        (7, 3, (1, 1)),
        (6, 5, (1, 2)),
        (7, 1, (0, 0)),
        (6, 1, (0, 0)),
    ):
        layer = same_convolution(2, 3, kernel)
        x = torch.rand(1, 2, side, side)
        padded = torch.zeros(1, 2, side + before + after, side + before + after)
        padded[:, :, before : before + side, before : before + side] = x
        assert layer(x).shape[-1] == -(-side // 2)
        torch.testing.assert_close(layer(x), nn.functional.conv2d(padded, layer.weight, layer.bias, 2))
