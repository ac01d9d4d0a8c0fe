import cv2
import numpy as np
import pytest
import skimage.data
import torch

from merbench.prepare import tvl1
from merbench.prepare.kinds.flow_field import flow, flows

SIZE = 48


def _pairs():
    """Return faces, and each shifted, turned or moved at one place by up to 1.5 pixels, with noise."""
    face = cv2.cvtColor(skimage.data.astronaut()[:256, 96:352], cv2.COLOR_RGB2GRAY)
    still = cv2.resize(face, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    y, x = np.indices((SIZE, SIZE)).astype(np.float32)
    bump = np.exp(-((x - 30) ** 2 + (y - 32) ** 2) / 24)
    fields = [
        (0.4 + 0 * x, 0.3 + 0 * x),
        (-1.2 + 0 * x, 0.9 + 0 * x),
        (0.02 * (y - 24), -0.02 * (x - 24)),
        (bump, -bump),
    ]
    noise = np.random.default_rng(0)
    moved = [cv2.remap(still, x - u, y - v, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE) for u, v in fields]
    both = [np.stack([still] * len(moved)), np.stack(moved)]
    return [np.clip(np.rint(each + noise.normal(0, 2, each.shape)), 0, 255).astype(np.uint8) for each in both]


def test_warp_and_median_are_opencvs():
    rng = np.random.default_rng(0)
    picture, field = rng.uniform(0, 255, (40, 41)).astype(np.float32), rng.normal(0, 4, (2, 40, 41)).astype(np.float32)
    y, x = np.indices(picture.shape).astype(np.float32)
    warped = tvl1._warped(torch.from_numpy(picture)[None, None], torch.from_numpy(field)[None])[0, 0]
    expected = cv2.remap(picture, x + field[0], y + field[1], cv2.INTER_CUBIC)  # black outside
    np.testing.assert_allclose(warped.numpy(), expected, atol=1e-3)
    median = tvl1._median(torch.from_numpy(field)[None])[0].numpy()
    assert np.array_equal(median, np.stack([cv2.medianBlur(each, 5) for each in field]))


@pytest.mark.slow
def test_the_flow_is_opencvs_within_a_fortieth_of_a_pixel():
    faces, moved = _pairs()
    for size, median, first, last in ((5, True, faces, moved), (1, False, faces[:1], moved[:1])):
        theirs = cv2.optflow.DualTVL1OpticalFlow_create(medianFiltering=size)
        expected = np.stack([theirs.calc(one, other, None) for one, other in zip(first, last, strict=True)])
        errors = np.linalg.norm(tvl1.tvl1(first, last, median=median) - expected, axis=-1)[:, 6:-6, 6:-6]
        assert errors.mean(axis=(1, 2)).max() < 0.025, errors.mean(axis=(1, 2))


@pytest.mark.slow
def test_pairs_do_not_depend_on_their_company_and_identical_ones_do_not_move():
    first, last = _pairs()
    together = flows([(first[0], last[0]), (first[3], last[3]), (first[0], first[0])], "tvl1-torch")
    assert (together[2] == 0).all()
    assert np.array_equal(flow(first[3], last[3], "tvl1-torch"), together[1])


@pytest.mark.slow
def test_patterns_without_a_face_give_opencvs_flow_within_a_tenth_of_a_pixel():
    """Gratings, noise and squares, moved by half a pixel and by a bump, with noise of 2 grey levels."""
    y, x = np.indices((SIZE, SIZE)).astype(np.float32)
    rng = np.random.default_rng(0)
    cloud = cv2.GaussianBlur(rng.normal(0, 1, (SIZE, SIZE)).astype(np.float32), (0, 0), 1.5)
    squares = cv2.GaussianBlur(((x // 6 + y // 6) % 2).astype(np.float32), (0, 0), 1)
    wave = np.sin((9 * x + 4 * y) * 2 * np.pi / SIZE) + np.sin((3 * x - 8 * y) * 2 * np.pi / SIZE)
    bump = np.exp(-((x - 30) ** 2 + (y - 32) ** 2) / 24)
    pairs = []
    for each in (wave, cloud, squares):
        still = 30 + 200 * (each - each.min()) / np.ptp(each)
        for u, v in ((0.4 + 0 * x, 0.3 + 0 * x), (bump, -bump)):
            moved = cv2.remap(still, x - u, y - v, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
            noisy = (np.clip(np.rint(image + rng.normal(0, 2, image.shape)), 0, 255) for image in (still, moved))
            pairs.append(tuple(image.astype(np.uint8) for image in noisy))
    errors = np.linalg.norm(flows(pairs, "tvl1-torch") - flows(pairs, "tvl1"), axis=-1)[:, 6:-6, 6:-6]
    assert errors.mean(axis=(1, 2)).max() < 0.1, errors.mean(axis=(1, 2))
