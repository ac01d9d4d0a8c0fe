"""Keys of runs: everything that a result depends on is in them, and nothing else."""

import shutil
from dataclasses import replace

import cv2
import pytest
from support.cases import each
from support.toy_package import NUMBERS, plug_in, swap

import merbench.training
from merbench.contracts.databases import Source
from merbench.contracts.errors import MerbenchError
from merbench.contracts.protocols import load_protocol
from merbench.databases.releases.megc2019_flow28 import IMAGES, LIST
from merbench.engine.plan.data import Data, choose_data
from merbench.engine.plan.runs import PreparedProtocol, Request, plan_runs

CLIP = "sub07,EP02_01f"


def add_list(release, protocol):
    """Give the protocol an official list: the clips that are there."""
    table = choose_data(str(release), [load_protocol(protocol)]).clips.rename(columns={"emotion": "class"})
    table[["dataset", "subject", "clip", "class"]].to_csv(protocol.parent / "official.csv", index=False)
    protocol.write_text(protocol.read_text() + "official_list: official.csv\n")


def drop_clip(release, protocol):
    lines = (release / LIST).read_text().splitlines()
    (release / LIST).write_text("\n".join(line for line in lines if ",EP02_01f,1," not in line or "sub07" not in line))


def rename_clip(subject, clip, new_subject, new_clip):
    def change(release, protocol):
        swap(release / LIST, f"casme2,{subject},{clip},1,", f"casme2,{new_subject},{new_clip},1,")
        images = release / IMAGES
        (images / f"{subject}_{clip} .png").rename(images / f"{new_subject}_{new_clip} .png")

    return change


def change_pixel(release, protocol):
    path = release / IMAGES / "sub07_EP02_01f .png"
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    image[3, 4, 0] ^= 1
    cv2.imwrite(str(path), image)


def swapped(old, new):
    return lambda release, protocol: swap(protocol, old, new)


def added(text):
    return lambda release, protocol: protocol.write_text(protocol.read_text() + text)


DATA_CHANGES = {
    "mapping": swapped("{negative: [disgust, repression], positive: [happiness], surprise: [surprise]}", "{}"),
    "excluded": added("left_out: [{dataset: samm, emotions: [other], reason: none}]\n"),
    "fold rule": swapped("leave-one-subject-out", "leave-one-database-out"),
    "transductive": added("transductive: true\n"),
    "class order": swapped("classes: [negative, positive, surprise]", "classes: [positive, negative, surprise]"),
    "official list": add_list,
    "clip less": drop_clip,
    "label": lambda release, protocol: swap(release / LIST, f"casme2,{CLIP},1,", f"casme2,{CLIP},2,"),
    "clip name": rename_clip("sub07", "EP02_01f", "sub07", "EP04_01f"),
    "subject": rename_clip("sub11", "EP02_01f", "sub12", "EP02_01f"),
    "pixel": change_pixel,
}


@pytest.fixture
def changed(plan_one, small_release, small_protocol, tmp_path):
    """Return what plans a run on a copy of the release and the protocol that was changed."""

    def make(change, method="svm-flow"):
        copy = tmp_path / f"copy{next(NUMBERS)}"
        shutil.copytree(small_release, copy / "release")
        shutil.copy(small_protocol, copy / "small.yaml")
        change(copy / "release", copy / "small.yaml")
        return plan_one(method, release=copy / "release", protocol=copy / "small.yaml")

    return make


def test_changed_protocols_clips_or_pixels_are_another_run(plan_one, changed):
    before = plan_one("svm-flow")
    for name, change in DATA_CHANGES.items():
        after = changed(change)
        assert after.file.key != before.file.key, name
        assert after.key_digest != before.key_digest
        assert after.run_id != before.run_id
        assert after.run_id.startswith("svm-flow-small-s0-")


def reordered_list(release, protocol):
    header, *rows = (release / LIST).read_text().splitlines()
    (release / LIST).write_text("\n".join([header, *reversed(rows)]) + "\n")


def rewritten_images(release, protocol):
    """The same pixels in other bytes."""
    for path in (release / IMAGES).iterdir():
        image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        before = path.read_bytes()
        cv2.imwrite(str(path), image, [cv2.IMWRITE_PNG_COMPRESSION, 0])
        assert path.read_bytes() != before


def reword_protocol(release, protocol):
    swap(protocol, "title: Small", "title: Tiny")
    swap(protocol, "made for the tests", "made for them")
    swap(protocol, "title: SMIC", "title: SMIC-HS")
    protocol.write_text("# a comment\n" + protocol.read_text() + "notes: look here\n")


def test_the_same_clips_and_meaning_are_the_same_run(plan_one, changed, tmp_path):
    before = plan_one("svm-flow")
    for change in (reordered_list, rewritten_images, reword_protocol, lambda release, protocol: None):
        after = changed(change)
        assert after.file.key == before.file.key
        assert str(tmp_path) not in after.file.model_dump_json()


def test_expected_counts_and_file_names_are_not_in_the_key(plan_one, small_protocol, tmp_path):
    copy = tmp_path / "name.yaml"
    copy.write_text(small_protocol.read_text() + "expected: {clips: 24, subjects: 9}\n")
    assert plan_one("majority", protocol=copy).file.key == plan_one("majority").file.key


def test_seed_configuration_settings_and_selection_are_in_the_key(plan_one, toy):
    before = plan_one()
    for request in each((
        {"seeds": (1,)}, {"config": "long"}, {"configs": {"toy": "long"}}, {"settings": {"rate": "0.25"}},
        {"settings": {"toy:layers": "[4, 3]"}}, {"selection": "inner"},
    )):  # fmt: skip
        after = plan_one(**request)
        assert after.key_digest != before.key_digest
        assert after.run_id != before.run_id
    assert plan_one(settings={"rate": "5e-1", "epochs": "3"}).run_id == before.run_id
    assert plan_one(config="long").run_id == plan_one(settings={"epochs": "9"}).run_id


def test_infinite_settings_are_refused_or_distinguished(plan_one, toy):
    found = []
    for value in (".inf", "-.inf", ".nan"):
        try:
            found.append(plan_one(settings={"rate": value}).key_digest)
        except MerbenchError as error:
            found.append(f"{value}: {error}")
    assert len(set(found)) == 3


def test_epochs_and_diagnostics_are_not_in_the_key(plan_one, toy):
    assert not plan_one("majority", diagnose=True).task.diagnose  # it has none
    swap(toy / "method.py", "    def predict", "    def diagnose(self, inputs):\n        return {}\n\n    def predict")
    for what in ("keep_epochs", "diagnose"):
        assert plan_one(**{what: True}).file.key == plan_one().file.key
        assert getattr(plan_one(**{what: True}).task, what)
        assert not getattr(plan_one().task, what)


def swap_in(file, old, new):
    return lambda home: swap(home / file, old, new)


CHANGES = {
    "statement": swap_in("method.py", "axis=(1, 2)", "axis=(2, 1)"),
    "default": swap_in("method.py", "rate: float = 0.5", "rate: float = 0.25"),
    "imported file": swap_in("share.py", "1.0", "1.5"),
    "new file": lambda home: (home / "more.py").write_text("X = 1\n"),
    "weights": lambda home: (home / "weights.bin").write_bytes(b"\0"),
    "input": swap_in("card.yaml", "flow: {kind: flow}", "image: {kind: flow}"),
    "another input": swap_in("card.yaml", "inputs:", "inputs:\n  second: {kind: flow}"),
    "configuration": swap_in("card.yaml", "default: {}", "default: {rate: 0.125}"),
}
NO_CHANGES = {
    "comment": swap_in("method.py", "# the mean", "# the mean of each channel"),
    "docstring": swap_in("method.py", "Answers the mean of each channel.", "Answers."),
    "layout": swap_in("method.py", "(4, 2)", "(\n        4,\n        2,\n    )"),
    "card's text": swap_in("card.yaml", "For the tests.", "Of no use."),
    "notes": lambda home: (home / "NOTES.md").write_text("notes"),
}


def test_code_and_what_the_card_decides_are_in_the_key(plan_one, toy):
    """One change after the other; kinds of code are tested with the digest of code."""
    for name, change in NO_CHANGES.items():
        before = plan_one()
        change(toy)
        assert plan_one().file.key == before.file.key, name
    seen = [plan_one().run_id]
    for name, change in CHANGES.items():
        change(toy)
        seen.append(plan_one().run_id)
        assert seen[-1] not in seen[:-1], name


def test_a_card_that_turns_transductive_needs_a_protocol_and_is_another_run(plan_one, toy, small_protocol, monkeypatch):
    """What is handed to `fit` differs, so the result does."""
    text = small_protocol.read_text()
    small_protocol.write_text(text + "transductive: true\n")
    before = plan_one()
    swap(toy / "card.yaml", "inputs:", "transductive: true\ninputs:")
    after = plan_one()
    assert (before.task.transductive, after.task.transductive) == (False, True)
    assert after.run_id != before.run_id
    small_protocol.write_text(text)
    with pytest.raises(MerbenchError, match=r"method \S+ is transductive: .* which protocol small does not allow"):
        plan_one()
    swap(toy / "card.yaml", "transductive: true", "transductive: {epochs: 99}")
    assert not plan_one().task.transductive  # with these settings


def test_the_method_and_the_code_versions_of_shared_rooms_are_in_the_key(plan_one, toy, tmp_path, monkeypatch):
    plug_in(tmp_path, monkeypatch, name="tin")
    assert plan_one("tin").file.key.code_digest == plan_one("toy").file.key.code_digest
    seen = {plan_one("tin").key_digest, plan_one().key_digest}
    for room in ("engine", "prepare", "training"):
        monkeypatch.setattr(f"merbench.{room}.CODE_VERSION", merbench.training.CODE_VERSION + 100)
        seen.add(plan_one().key_digest)
    assert len(seen) == 5


def other_data(prepared, clips=None, **card):
    """The same data with other annotations, or another card."""
    source = prepared.data.sources[0]

    class Other(type(source.database)):
        pass

    Other.card = source.database.card.model_copy(update=card)
    reading = source.reading if clips is None else replace(source.reading, clips=clips)
    data = Data("other", "for a test", (Source(Other(), source.folder, reading),))
    return PreparedProtocol.of(prepared.spec, data)


def key_of(prepared):
    return plan_runs(Request.named(("svm-flow",)), [prepared])[0].file.key


def test_annotations_are_in_the_key(prepared):
    clips = prepared.data.clips
    before = key_of(prepared)
    assert key_of(other_data(prepared, clips.copy())) == before
    for column, value in (("onset", 17), ("emotion", "disgust"), ("aus", "4+R12")):
        changed = clips.assign(**{column: clips[column].astype(object)})
        changed.loc[0, column] = value
        after = key_of(other_data(prepared, changed))
        assert after.digest() != before.digest(), column
        assert (after.split_digest, after.input_digests) == (before.split_digest, before.input_digests), column


def test_same_people_are_in_the_key_where_they_change_training(prepared, small_release):
    shared = {"smic-hs": "filmed together", "casme2": "filmed together"}
    before = key_of(prepared)
    assert key_of(other_data(prepared, same_people=shared)) == before  # s06 and sub06 are two even so

    clips = prepared.data.clips
    clips = clips.assign(subject=clips.subject.replace({"sub06": "06", "s06": "06"}))
    apart, together = other_data(prepared, clips), other_data(prepared, clips, same_people=shared)
    assert key_of(together).digest() != key_of(apart).digest()
    assert key_of(together).split_digest != key_of(apart).split_digest


def test_synthetic_data_is_recorded(prepared, toy):
    (plan,) = plan_runs(Request.named(("toy",)), [other_data(prepared, synthetic=True)])
    assert plan.file.synthetic
    assert plan.file.data == "other"
