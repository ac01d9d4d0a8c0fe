"""Augmentation of pictures: equal to torchvision's transforms, and flow moves as pictures do."""

import math

import pytest
import torch
from torch.testing import assert_close
from torchvision.transforms import functional

from merbench.training.augmentation import draw_moves, moved, moved_vectors


def drawn(clips=32, flip=True, degrees=5.0, padding=4, seed=0):
    return draw_moves(clips, flip, degrees, padding, torch.Generator().manual_seed(seed))


def test_pictures_are_moved_as_torchvision_moves_them():
    pictures, moves = torch.randn(32, 2, 24, 24), drawn()
    for before, after, mirrored, angle, shift in zip(pictures, moved(pictures, moves), *moves, strict=True):
        expected = functional.rotate(functional.hflip(before) if mirrored else before, math.degrees(angle))
        x, y = (int(pixels) + 4 for pixels in shift)
        assert torch.equal(after, functional.crop(functional.pad(expected, [4] * 4), y, x, 24, 24))


def test_draws_are_even_within_their_limits_and_do_not_shift_each_other():
    found = drawn(4000)
    assert found.mirrored.float().mean().item() == pytest.approx(0.5, abs=0.04)
    assert found.angle.abs().max().item() == pytest.approx(math.radians(5), rel=0.01)
    assert torch.bincount(found.shift.flatten().long() + 4).div(8000).sub(1 / 9).abs().max() < 0.02
    assert torch.equal(drawn(degrees=0.0, padding=0).mirrored, drawn().mirrored)
    assert torch.equal(drawn(flip=False, padding=9).angle, drawn().angle)


def test_flow_is_flipped_and_rotated_with_its_pictures():
    """Vectors that point away from the centre still do; strain stays a picture."""
    at = torch.arange(24) - 11.5
    away = torch.stack([at[None, :].expand(24, 24), at[:, None].expand(24, 24), torch.ones(24, 24)])
    found = moved_vectors(away.expand(32, 3, 24, 24), drawn(degrees=40.0, padding=0))
    inner = slice(6, 18)
    assert_close(found[:, :2, inner, inner], away[:2, inner, inner].expand(32, 2, 12, 12), rtol=0, atol=0.75)
    assert (found[:, 2, inner, inner] == 1).all()
