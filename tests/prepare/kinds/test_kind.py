"""Input kinds of packages, and wrong ones: one line, and no harm to others."""

import re
from contextlib import contextmanager

import cv2
import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter
from support.cases import each
from support.plugins import forget
from support.refusals import refusal
from support.toy_package import plug_in

from merbench.contracts.cards import Card
from merbench.contracts.inputs import ArrayInput, Flow, Inputs, InputSpec
from merbench.contracts.specifications import KINDS
from merbench.contracts.yamlfiles import load_yaml_model
from merbench.prepare.arrays import input_digests
from merbench.prepare.frames import ClipFrames
from merbench.prepare.kinds.build import build
from merbench.prepare.kinds.kind import kind_of
from merbench.prepare.store import ShelfFile

KIND = """
from typing import Literal

import numpy as np

from merbench.contracts.specifications import FaceSpecification
from merbench.prepare.kinds.kind import Kind


class Grey(FaceSpecification):
    kind: Literal["grey"] = "grey"
    size: int = 8


class _GreyKind(Kind[Grey]):
    spec = Grey

    def form(self, spec):
        return np.float32, (None, spec.size)

    def build(self, spec, clip, faces):
        return np.stack([faces.face(number, spec.size)[:, 0, 0] for number in faces.numbers]).astype(np.float32)


KIND = _GreyKind()
"""
READ = TypeAdapter(InputSpec).validate_python
CARD = {"name": "toy", "title": "T", "summary": "S", "implementation": "method:Toy"}


@pytest.fixture
def offered(tmp_path):
    """Return a context in which a package offers the kind, with some text of it changed."""

    @contextmanager
    def context(*changes, name="grey", target="grey:KIND"):
        text = KIND
        for old, new in zip(changes[::2], changes[1::2], strict=True):
            assert old in text
            text = text.replace(old, new)
        with pytest.MonkeyPatch.context() as patch:
            plug_in(tmp_path, patch, name, None, {"grey.py": text}, "inputs", target)
            yield
        forget()

    return context


@pytest.fixture
def clip(tmp_path):
    files = {number: tmp_path / f"{number}.png" for number in range(3)}
    for number, file in files.items():
        cv2.imwrite(str(file), np.full((16, 16, 3), 10 * number, np.uint8))
    return ClipFrames("casme2/sub01/EP02_01f", 0, 1, 2, files, cropped=True)


def grey(**settings):
    return READ({"kind": "grey", "faces": "delivered"} | settings)


def test_a_kind_of_a_package_is_declared_and_built(offered, clip):
    with offered():
        spec = grey(size=9)
        assert (str(spec), type(spec).__name__) == ("grey(faces=delivered, size=9)", "Grey")
        assert READ(spec.model_dump(mode="json")) == spec
        card = Card.model_validate(CARD | {"inputs": {"grey": {"kind": "grey", "size": 9}, "flow": {"kind": "flow"}}})
        written = {"kind": "grey", "size": 9, "faces": "auto", "align": "onset"}
        assert card.model_dump(mode="json")["inputs"]["grey"] == written
        assert card.model_dump(exclude_defaults=True)["inputs"] == {"grey": {"size": 9}, "flow": {}}
        assert build(spec, clip)[:, 0].tolist() == [0, 10, 20]
        assert kind_of(spec).is_ragged(spec)
        marks = pd.DataFrame(np.eye(3), columns=["a", "b", "c"], index=["x", "x", "y"])
        made = kind_of(spec).synthetic(spec, marks, np.random.default_rng(0))
        assert [(values.shape, values.dtype) for values in made] == [((n, 9), np.float32) for n in (5, 6, 7)]
        assert [title for title, _ in kind_of(spec).pictures(spec, made[0])] == ["grey"]


def test_version_and_code_of_a_kind_are_in_digests_and_shelves(offered):
    def described(*changes):
        with offered(*changes):
            spec = grey()
            digests = input_digests(Inputs({"grey": ArrayInput(spec, np.zeros((2, 3, 8), np.float32))}, 2))
            return digests["grey"], ShelfFile.of("casme2", spec).name

    first = described()
    assert described("    spec = Grey", "    # a comment\n    spec = Grey") == first
    second = described("spec = Grey", "spec = Grey\n    version = 2")
    other = described("[:, 0, 0]", "[:, 1, 0]")
    for place in (0, 1):  # code of a package is in both, as no version of it says what changed
        assert len({first[place], second[place], other[place]}) == 3


def test_wrong_arrays_are_one_line_with_kind_specification_and_clip(offered, clip):
    form, of_clip = "return np.float32, (None, spec.size)", "grey(faces=delivered) of casme2/sub01/EP02_01f"
    start = "input kind 'grey' built"
    built = f"{start} float32 (3, 8) for {of_clip}, not"
    for old, new, line in each(
        (
            (form, "return np.float32, (spec.size,)", f"{built} float32 (8,)"),
            (form, "return np.float32, (None, 9)", f"{built} float32 (any, 9)"),
            (form, "return np.uint8, (None, 8)", f"{built} uint8 (any, 8)"),
            (
                "return np.stack",
                "return np.nan * np.stack",
                f"input kind 'grey' built NaN or infinite values for {of_clip}",
            ),
            ("np.stack([", "np.stack([clip.apexes] + [", f"input kind 'grey' failed on {of_clip}: AttributeError("),
            (
                "def build",
                "def built",
                f"input kind 'grey' failed on {of_clip}: NotImplementedError('_GreyKind must define",
            ),
            ("return np.stack", "return {}\n        np.stack", f"{start} object () for {of_clip}, not"),
        )
    ):
        with offered(old, new):
            assert refusal(build, grey(), clip).startswith(line)


def test_wrong_kinds_are_reported_as_such_and_harm_no_other(offered, tmp_path):
    card = tmp_path / "card.yaml"
    lines = [f"{name}: {value}" for name, value in CARD.items()]
    card.write_text("\n".join([*lines, "inputs:", "  flow: {kind: flow}", "  a: {kind: grey}"]), encoding="utf-8")
    place = f"{card}, line 7: inputs.a: "
    for changes, line in each(
        (
            (("import numpy as np", "import nump_y"), "can't be loaded from .*No module named 'nump_y'"),
            (("spec = Grey", "spec = 3"), "grey:KIND needs spec, a class derived from Specification"),
            (('Literal["grey"] = "grey"', 'Literal["gray"] = "gray"'), "must be \"grey\", not 'gray'"),
            (('    kind: Literal["grey"] = "grey"\n', ""), 'the field kind of Grey must be "grey"'),
        )
    ):
        with offered(*changes):
            assert re.search(
                f"^{re.escape(place)}.*'grey' of toyplan.* 1.0.*{line}", refusal(load_yaml_model, card, Card)
            )
            _, (problem,) = KINDS.load_all()
            assert re.search(f"^broken: input kind 'grey'.*{line}", problem.text)
            assert kind_of(Flow()).spec is Flow
    with offered(), offered():
        assert re.search("'grey' is claimed by .* and .*: uninstall one of them", refusal(load_yaml_model, card, Card))
        assert READ({"kind": "flow"}) == Flow()
    with offered("(Kind[Grey])", ""):
        line = refusal(kind_of, grey())
        assert re.search(
            "'grey' of .* must be an object of a class derived from merbench.prepare.kinds.kind.Kind", line
        )
    assert "unknown input kind 'grey' (known: action-units," in refusal(load_yaml_model, card, Card)
