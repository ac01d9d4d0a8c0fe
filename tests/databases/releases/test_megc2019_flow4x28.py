"""The second public release of MEGC 2019: its own images of the same clips and classes."""

import shutil

import cv2
import numpy as np
import pytest

from merbench.contracts.clips import IDENTITY
from merbench.contracts.errors import DataError
from merbench.databases import DATABASES
from merbench.databases.releases.megc2019_flow28 import FLOW, IMAGES, LIST


def test_it_has_the_same_clips_and_classes_and_other_images(shared):
    found = {}
    for name in ("megc2019-flow28", "megc2019-flow4x28"):
        folder, database = shared / "data" / name, DATABASES.get(name)
        reading = database.read(folder)
        assert (reading.variant, reading.notes) == ("", [])
        clips = reading.clips.iloc[:20]
        found[name] = reading.clips[[*IDENTITY, "emotion"]], database.arrays(folder, clips, FLOW)
    (first, images), (second, others) = found.values()
    assert first.equals(second)
    assert len(first) == 442
    assert others.shape == images.shape
    correlations = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(images, others, strict=True)]
    assert max(correlations) < 0.95
    offers = DATABASES.get("megc2019-flow4x28").card.offers
    served = [database.arrays(folder, clips.iloc[:1], spec)[0, ..., :2] for spec in offers]
    stem = folder / "datasets" / IMAGES / "sub01_EP02_01f"
    assert clips.iloc[0]["clip"] == "EP02_01f"
    for image, ending in zip(served, ("", "_1", "_2", "_3"), strict=True):
        np.testing.assert_array_equal(image, cv2.imread(f"{stem}{ending} .png")[..., :0:-1])


def test_images_of_another_release_and_an_incomplete_clip_are_told(shared, tmp_path):
    first, second = (shared / "data" / name for name in ("megc2019-flow28", "megc2019-flow4x28"))
    database = DATABASES.get("megc2019-flow4x28")
    with pytest.raises(DataError, match="has no image for casme2/sub01/EP02_01f"):
        database.read(first)
    copy = tmp_path / "copy"
    shutil.copytree(second, copy)
    image = copy / "datasets" / IMAGES / "sub01_EP02_01f_2 .png"
    kept = image.read_bytes()
    image.unlink()
    with pytest.raises(DataError, match="has no image for casme2/sub01/EP02_01f;"):
        database.read(copy)
    image.write_bytes(kept)
    (copy / "datasets" / IMAGES / "sub01_EP02_01f .png").write_bytes(
        (first / IMAGES / "sub01_EP02_01f .png").read_bytes()
    )
    reading = database.read(copy)
    assert reading.variant == "other-images"
    assert "441 of 442 images" in str(reading.notes)
    # A clone of a repository has the list at the top and the images in datasets/.
    clone = tmp_path / "clone"
    (clone / "datasets").mkdir(parents=True)
    (clone / LIST).write_bytes((first / LIST).read_bytes())
    shutil.copytree(first / IMAGES, clone / "datasets" / IMAGES)
    assert DATABASES.get("megc2019-flow28").read(clone).variant == ""
