"""Digests of inputs and names of shelves, as they were before input kinds had files of their own."""

import numpy as np

from merbench.contracts.inputs import (
    ActionUnits,
    ArrayInput,
    ClipFacts,
    DynamicImage,
    Flow,
    Frames,
    Inputs,
    Landmarks,
)
from merbench.prepare.arrays import input_digests
from merbench.prepare.store import Shelf, ShelfFile

SPECS = {
    "flow": Flow(),
    "jittered": Flow(channels=("u", "v"), normalise="hsv", mask="face", apex_jitter=2, faces="landmarks"),
    "onset": Frames(span="onset", count=1, size=28),
    "ragged": Frames(count=None, colour="rgb"),
    "image": DynamicImage(size=56, align="frame"),
    "points": Landmarks(points=5),
    "units": ActionUnits(vocabulary=(1, 4, 12)),
    "facts": ClipFacts(facts=("database", "seconds")),
}
#: Name -> first digits of the digest of the input with the values below, and of the shelf's name.
DIGESTS = {
    "flow": ("0a69f28e64e0", "flow-416f3ab4884b"),
    "jittered": ("36d3766be18e", "flow-f91301e31e68"),
    "onset": ("219c439cc662", "frames-9a5df4af1fbe"),
    "ragged": ("fff651ac7844", "frames-67853a7f39bb"),
    "image": ("468cf2e406da", "dynamic-image-eb3396fcf326"),
    "points": ("773a4c60e187", "landmarks-747fde1278eb"),
    "units": ("3f5323b7b7cc", "action-units-0bcb035e1ee2"),
    "facts": ("5e4fd5602893", "clip-facts-aac31c2dae53"),
}


def _values(spec):
    if spec != SPECS["ragged"]:
        return np.arange(24, dtype=np.uint8 if "units" not in spec.kind else np.float32).reshape(4, 2, 3)
    values = np.empty(2, dtype=object)
    values[:] = [np.zeros((2, 3), np.uint8), np.ones((5, 3), np.uint8)]
    return values


def test_digests_and_shelves_of_earlier_versions_are_found_again():
    found = {}
    for name, spec in SPECS.items():
        values = _values(spec)
        digest = input_digests(Inputs({name: ArrayInput(spec, values)}, len(values)))[name]
        file = ShelfFile(database="casme2", spec=spec, code_version=1, opencv="4.13.0", dlib="20.0.0")
        found[name] = (digest[:12], Shelf(file).folder.name)
    assert found == DIGESTS
