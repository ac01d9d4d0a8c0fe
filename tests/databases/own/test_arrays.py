"""Ready-made arrays of one's own: joined by name, checked for shape and type; objects refused."""

import cv2
import numpy as np
import pandas as pd
from support.own import write_table
from support.refusals import refusal

from merbench.contracts.errors import DataError
from merbench.contracts.specifications import KINDS
from merbench.databases import DATABASES
from merbench.databases.own.arrays import own_arrays
from merbench.databases.own.definitions import OwnDefinition, register_own
from merbench.prepare.arrays import check_release, prepare_input

SPEC = KINDS.get("features").spec(name="mine", shape=(5,))
NAMES = [(f"P{person}", f"c{number}") for person in (1, 2) for number in (1, 2, 3)]
VALUES = np.arange(30, dtype=np.float64).reshape(6, 5)


def defined(lab, place, header=("subject", "clip", "emotion"), more=None, spec=SPEC):
    rows = [[*name, "ab"[n % 2], *([more[n]] if more else [])] for n, name in enumerate(NAMES)]
    table = write_table(lab / "clips.csv", rows[::-1], header)
    return OwnDefinition(name="mine", clips=table, place=place, offers=spec)


def written(lab):
    """Write the same values in every form; yield the file, and the further column that it needs."""
    named = {f"P0{s[1:]}/{c}": each for (s, c), each in zip(NAMES, VALUES, strict=True)}
    np.savez(lab / "each.npz", **named)
    people, clips = zip(*NAMES, strict=True)
    np.savez(lab / "all.npz", values=VALUES[::-1], subject=people[::-1], clip=clips[::-1])
    np.save(lab / "rows.npy", VALUES)
    table = pd.DataFrame(VALUES, columns=list("vwxyz")).assign(subject=people, clip=clips)
    table.iloc[::-1].to_parquet(lab / "table.parquet")
    (lab / "folder" / "P1").mkdir(parents=True)
    for name, values in named.items():
        np.save(lab / "folder" / f"{name.replace('/', '_')}.npy", values)
    yield from (("each.npz", None), ("all.npz", None), ("table.parquet", None), ("folder", None))
    yield "rows.npy", [str(number) for number in range(6)]


def test_every_form_gives_the_arrays_by_name(lab):
    for name, more in written(lab):
        header = ("subject", "clip", "emotion", *(["path"] if more else []))
        source = register_own(defined(lab, lab / name, header, more))
        values = prepare_input([source], source.clips, SPEC).batch()
        assert values.dtype == np.float32, name
        assert values.tolist() == VALUES.tolist(), name  # in the table's order, which is that of names
        assert source.clips["clip"].tolist() == [clip for _, clip in NAMES]


def test_pictures_serve_a_declared_input_if_they_have_its_form(lab):
    from merbench.contracts.inputs import Flow

    (lab / "images").mkdir()
    rng = np.random.default_rng(0)
    for subject, clip in NAMES:
        cv2.imwrite(str(lab / "images" / f"{subject}-{clip}.png"), rng.integers(0, 255, (28, 28, 3)).astype(np.uint8))
    flow = Flow(span="onset-apex", size=28, channels=("u", "v", "strain"), algorithm="tvl1", normalise="clip")
    source = register_own(defined(lab, lab / "images", spec=flow))
    assert prepare_input([source], source.clips, flow).batch().shape == (6, 28, 28, 3)
    other = defined(lab, lab / "images", spec=flow.model_copy(update={"size": 30}))
    assert "input kind 'flow' found uint8 (28, 28, 3)" in refusal(register_own, other, check_release)
    assert DATABASES.get("mine").card.offers == (flow,)  # as it was


def test_arrays_without_a_row_and_equal_ones_of_two_subjects_are_said(lab):
    named = {f"{s}/{c}": each for (s, c), each in zip(NAMES, VALUES, strict=True)}
    notes = lambda: [note.text for note in register_own(defined(lab, lab / "x.npz")).reading.notes]  # noqa: E731
    np.savez(lab / "x.npz", **named, **{f"P3/c{number}": VALUES[0] + 1 for number in range(7)})
    five = ", ".join(f"P3/c{number}" for number in range(5))
    assert notes() == [f"7 of 13 arrays have no row in clips.csv: {five} and 2 more"]
    np.savez(lab / "x.npz", **{**named, "P2/c1": VALUES[1], "P1/c1": 0 * VALUES[0], "P2/c2": 0 * VALUES[0]})
    (note,) = notes()
    assert "different subjects have the same pictures or array: mine/P1/c2 and mine/P2/c1; if" in note


def test_wrong_arrays_are_refused_by_row(lab):
    named = {f"{s}/{c}": each for (s, c), each in zip(NAMES, VALUES, strict=True)}
    bad = {**named, "P2/c3": VALUES[0] + 1e300, "P2/c1": VALUES[0, :3]}
    del bad["P1/c2"]
    np.savez(lab / "bad.npz", **bad)
    line = refusal(register_own, defined(lab, lab / "bad.npz"), error=DataError)
    assert "3 rows can't be used: row 2 (5): the array has NaN or infinite values, as 32-bit numbers; row 4" in line
    assert "row 6 (P1/c2): no array of the clip in" in line
    np.savez(lab / "objects.npz", x=np.array([{}], dtype=object))
    np.savez(lab / "text.npz", **{name: np.array(["a"]) for name in named})
    np.save(lab / "rows.npy", VALUES)
    (lab / "half.npz").write_bytes((lab / "bad.npz").read_bytes()[:200])
    for folder, content in {"empty/x.txt": b"", "torn/x.npy": b"1 2 3", "void/x.png": b""}.items():
        (lab / folder).parent.mkdir()
        (lab / folder).write_bytes(content)
    np.savez(lab / "void.npz", **{name: values[:0] for name, values in named.items()})
    pd.DataFrame({"x": [1.0]}).to_parquet(lab / "nameless.parquet")
    pd.DataFrame({"subject": "P1", "clip": "c1", "x": [1.0, 2.0]}).to_parquet(lab / "twice.parquet")
    for name, said in {
        "objects.npz": "it holds Python objects, which are not read",
        "text.npz": "the array is not of numbers",
        "rows.npy": "the rows of an .npy have no names: add a column path",
        "half.npz": "can't be read as arrays",
        "torn": "x.npy can't be read as an array: it is not a file of NumPy",
        "void": "x.png is not a readable picture",
        "empty": "has no arrays",
        "void.npz": "the array is empty",
        "nameless.parquet": "lacks the column clip",
        "twice.parquet": "has several rows called P1/c1: keep one row a clip",
        "clips.csv": "expected .npz, .npy, .parquet",
    }.items():
        assert said in refusal(own_arrays(defined(lab, lab / name)).read, lab, case=name, error=DataError)
