import math

import pytest
import torch
from support.cases import each
from torch import nn

from merbench.training.layers import FastDropout


def dropped(x):
    return FastDropout()(x)


def test_every_element_has_an_even_and_independent_chance():
    """Eight elements share a random number: each of them, each pair of neighbours, and each row must still be even."""
    torch.manual_seed(1)
    kept = torch.stack([dropped(torch.ones(4, 33)) for _ in range(4000)]) / 2
    tolerance = 5 * 0.5 / math.sqrt(4000)
    assert (kept.mean(0) - 0.5).abs().max() < tolerance
    flat = kept.flatten(1)
    for distance in (1, 2, 3, 4, 7, 8, 16, 33):
        both = (flat[:, distance:] * flat[:, :-distance]).mean(0)
        assert (both - 0.25).abs().max() < 5 * math.sqrt(0.25 * 0.75 / 4000), distance


SHAPES = {
    "contiguous": torch.rand(5, 6, 7, 3) + 1,
    "channels last": (torch.rand(5, 6, 7, 3) + 1).to(memory_format=torch.channels_last),
    "permuted": (torch.rand(5, 6, 7, 3) + 1).permute(3, 0, 2, 1),
    "strided": (torch.rand(10, 6, 14, 3) + 1)[::2, :, ::2],
    "expanded": (torch.rand(5, 1, 7, 1) + 1).expand(5, 6, 7, 3),
    "offset": (torch.rand(6, 6, 7, 3) + 1)[1:],
    "one row": (torch.rand(9, 6, 7, 3) + 1)[4:5],
    "odd number": torch.rand(13) + 1,
    "scalar": torch.rand(()) + 1,
    "half": (torch.rand(5, 6) + 1).half(),
    "double": (torch.rand(5, 6) + 1).double(),
}


def test_every_layout_in_memory_is_dropped_element_by_element():
    for layout in each(SHAPES):
        torch.manual_seed(3)
        x = SHAPES[layout]
        before = x.clone()
        total = torch.zeros_like(x, dtype=torch.double)
        for _ in range(400):
            y = dropped(x)
            assert y.shape == x.shape
            assert y.dtype == x.dtype
            assert ((y == 0) | (y == 2 * x)).all()
            total += y != 0
        assert torch.equal(x, before)
        assert (total / 400 - 0.5).abs().max() < 6 * 0.5 / math.sqrt(400)


def test_special_batches_keep_their_form():
    x = torch.rand(5, 6, 7, 3).to(memory_format=torch.channels_last)
    assert dropped(x).is_contiguous(memory_format=torch.channels_last)
    assert dropped(torch.empty(0, 4)).shape == (0, 4)
    x = torch.rand(3, 4)
    assert FastDropout().eval()(x) is x


def test_the_gradient_passes_where_the_element_did():
    torch.manual_seed(4)
    x = torch.rand(50, 9, requires_grad=True)
    y = dropped(x)
    y.sum().backward()
    assert torch.equal(x.grad, 2.0 * (y != 0))


def test_a_seed_decides_the_draws_and_each_call_draws_anew():
    x = torch.ones(64)
    torch.manual_seed(5)
    first, second = dropped(x), dropped(x)
    assert not torch.equal(first, second)
    torch.manual_seed(5)
    assert torch.equal(dropped(x), first)


def test_mean_and_spread_are_those_of_torchs_dropout():
    torch.manual_seed(6)
    x = torch.rand(200_000)
    ours, theirs = dropped(x), nn.Dropout(0.5)(x)
    assert ours.mean().item() == pytest.approx(theirs.mean().item(), rel=0.02)
    assert ours.std().item() == pytest.approx(theirs.std().item(), rel=0.02)
