"""What a run is: everything that its result depends on is in its key, and nothing else is."""

import itertools
import shutil
import sys
from dataclasses import replace

import cv2
import pytest
import torch
from support.plugins import forget

import merbench.training
from merbench.contracts.databases import Source
from merbench.contracts.errors import MerbenchError
from merbench.contracts.protocols import load_protocol
from merbench.databases.registrations import register
from merbench.databases.releases.megc2019_flow28 import IMAGES, LIST
from merbench.engine.execute.grid import execute
from merbench.engine.fold.folds import run_fold
from merbench.engine.plan.catalogue import METHODS, method_card
from merbench.engine.plan.data import Data, choose_data
from merbench.engine.plan.runs import PreparedProtocol, Request, plan_runs

CARD = """\
name: {name}
title: Toy
summary: For the tests.
implementation: method:Toy
inputs:
  flow: {{kind: flow}}
configurations:
  default: {{}}
  long: {{epochs: 9}}
"""

METHOD = '''\
"""A toy."""

from merbench.contracts.methods import MethodConfig, Prediction

from .share import SHIFT


class Config(MethodConfig):
    epochs: int = 3
    rate: float = 0.5
    layers: tuple[int, ...] = (4, 2)


class Toy:
    """Answers the mean of each channel."""

    Config = Config

    def __init__(self, config, problem):
        self.problem = problem

    def fit(self, train, run):
        """Do nothing."""

    def predict(self, inputs):
        # the mean
        return Prediction(inputs["flow"].batch().mean(axis=(1, 2)) + SHIFT)
'''

NUMBERS = itertools.count()


def plug_in(folder, monkeypatch, name="toy", card=CARD, files=None, group="methods", target="method:Toy"):
    """Install a package that offers one thing, as an installer would leave it; give its folder."""
    package = f"toyplan{next(NUMBERS)}"
    site = folder / f"site-{package}"
    home = site / package
    home.mkdir(parents=True)
    (home / "__init__.py").write_text("")
    for path, content in ({"method.py": METHOD, "share.py": "SHIFT = 1.0\n"} if files is None else files).items():
        (home / path).write_text(content)
    if card:
        (home / "card.yaml").write_text(card.format(name=name))
    info = site / f"{package}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[merbench.{group}]\n{name} = {package}.{target}\n")
    monkeypatch.syspath_prepend(site)
    forget()
    return home


@pytest.fixture
def toy(tmp_path, monkeypatch):
    return plug_in(tmp_path, monkeypatch)


@pytest.fixture
def plan_one(small_release, small_protocol):
    """Plan one run from what lies on disk now."""

    def make(method="toy", release=small_release, protocol=small_protocol, **request):
        spec = load_protocol(protocol)
        prepared = PreparedProtocol.of(spec, choose_data(str(release), [spec]))
        (plan,) = plan_runs(Request.named((method,), **request), [prepared])
        return plan

    return make


def swap(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    forget()


def add_list(release, protocol):
    """Give the protocol an official list: the clips that are there."""
    table = choose_data(str(release), [load_protocol(protocol)]).clips.rename(columns={"emotion": "class"})
    table[["dataset", "subject", "clip", "class"]].to_csv(protocol.parent / "official.csv", index=False)
    protocol.write_text(protocol.read_text() + "official_list: official.csv\n")


def drop_clip(release, protocol):
    lines = (release / LIST).read_text().splitlines()
    (release / LIST).write_text("\n".join(line for line in lines if ",EP02_01f,1," not in line or "sub07" not in line))


def relabel_clip(release, protocol):
    swap(release / LIST, "casme2,sub07,EP02_01f,1,", "casme2,sub07,EP02_01f,2,")


def rename_clip(release, protocol):
    swap(release / LIST, "casme2,sub07,EP02_01f,1,", "casme2,sub07,EP04_01f,1,")
    (release / IMAGES / "sub07_EP02_01f .png").rename(release / IMAGES / "sub07_EP04_01f .png")


def move_clip_to_another_subject(release, protocol):
    swap(release / LIST, "casme2,sub11,EP02_01f,1,", "casme2,sub12,EP02_01f,1,")
    (release / IMAGES / "sub11_EP02_01f .png").rename(release / IMAGES / "sub12_EP02_01f .png")


def change_pixel(release, protocol):
    path = release / IMAGES / "sub07_EP02_01f .png"
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    image[3, 4, 0] ^= 1
    cv2.imwrite(str(path), image)


DATA_CHANGES = {
    "mapping": lambda release, protocol: swap(protocol, "[disgust, repression]", "[disgust, repression, fear]"),
    "left out": lambda release, protocol: protocol.write_text(
        protocol.read_text() + "left_out: [{dataset: samm, emotions: [other], reason: none}]\n"
    ),
    "fold rule": lambda release, protocol: swap(protocol, "leave-one-subject-out", "leave-one-database-out"),
    "transductive": lambda release, protocol: protocol.write_text(protocol.read_text() + "transductive: true\n"),
    "class order": lambda release, protocol: swap(
        protocol, "classes: [negative, positive, surprise]", "classes: [positive, negative, surprise]"
    ),
    "official list": add_list,
    "clip less": drop_clip,
    "label": relabel_clip,
    "clip name": rename_clip,
    "subject": move_clip_to_another_subject,
    "pixel": change_pixel,
}


@pytest.mark.parametrize("change", DATA_CHANGES)
def test_a_changed_protocol_clip_list_label_or_pixel_is_another_run(plan_one, small_release, small_protocol, change):
    before = plan_one("svm-flow")
    DATA_CHANGES[change](small_release, small_protocol)
    after = plan_one("svm-flow")
    assert after.file.key != before.file.key
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


@pytest.mark.parametrize("change", [reordered_list, rewritten_images, reword_protocol])
def test_the_same_clips_and_meaning_are_the_same_run(plan_one, small_release, small_protocol, change):
    before = plan_one("svm-flow")
    change(small_release, small_protocol)
    assert plan_one("svm-flow").file.key == before.file.key


def test_where_the_data_lies_is_of_no_importance(plan_one, small_release, tmp_path):
    copy = tmp_path / "elsewhere" / "copied"
    shutil.copytree(small_release, copy)
    moved, before = plan_one("ststnet", release=copy), plan_one("ststnet")
    assert moved.run_id == before.run_id
    assert str(tmp_path) not in moved.file.model_dump_json()


def test_expected_counts_that_hold_and_a_protocol_file_elsewhere_change_nothing(plan_one, small_protocol, tmp_path):
    before = plan_one("majority").file.key
    copy = tmp_path / "other" / "name.yaml"
    copy.parent.mkdir()
    copy.write_text(small_protocol.read_text() + "expected: {clips: 24, subjects: 9}\n")
    assert plan_one("majority", protocol=copy).file.key == before


REQUESTS = {
    "seed": {"seeds": (1,)},
    "configuration": {"config": "long"},
    "method's configuration": {"configs": {"toy": "long"}},
    "setting": {"settings": {"rate": "0.25"}},
    "method's setting": {"settings": {"toy:layers": "[4, 3]"}},
    "selection": {"selection": "inner"},
}


@pytest.mark.parametrize("change", REQUESTS)
def test_seed_configuration_settings_and_selection_are_in_the_key(plan_one, toy, change):
    before, after = plan_one(), plan_one(**REQUESTS[change])
    assert after.key_digest != before.key_digest
    assert after.run_id != before.run_id


def test_a_setting_that_is_what_it_was_is_the_same_run(plan_one, toy):
    assert plan_one(settings={"rate": "5e-1", "epochs": "3"}).run_id == plan_one().run_id
    assert plan_one(config="long").run_id == plan_one(settings={"epochs": "9"}).run_id


def test_settings_that_json_has_no_number_for_are_refused_or_told_apart(plan_one, toy):
    found = []
    for value in (".inf", "-.inf", ".nan"):
        try:
            found.append(plan_one(settings={"rate": value}).key_digest)
        except MerbenchError as error:
            found.append(f"{value}: {error}")
    assert len(set(found)) == 3


def test_what_is_kept_on_the_side_is_not_in_the_key(plan_one, toy):
    swap(toy / "method.py", "    def predict", "    def diagnose(self, inputs):\n        return {}\n\n    def predict")
    for what in ("keep_epochs", "diagnose"):
        assert plan_one(**{what: True}).file.key == plan_one().file.key
        assert getattr(plan_one(**{what: True}).task, what)
        assert not getattr(plan_one().task, what)


def test_a_method_with_nothing_to_tell_is_not_asked_for_it(plan_one, toy):
    assert not plan_one(diagnose=True).task.diagnose


CODE_CHANGES = {
    "statement": lambda home: swap(home / "method.py", "axis=(1, 2)", "axis=(2, 1)"),
    "default": lambda home: swap(home / "method.py", "rate: float = 0.5", "rate: float = 0.25"),
    "imported file": lambda home: swap(home / "share.py", "1.0", "1.5"),
    "new file": lambda home: (home / "more.py").write_text("X = 1\n"),
    "file less": lambda home: (home / "share.py").rename(home / "shared.py"),
    "weights": lambda home: (home / "weights.bin").write_bytes(b"\0"),
    "text in code": lambda home: swap(home / "method.py", 'inputs["flow"]', 'inputs["Flow"]'),
}


@pytest.mark.parametrize("change", CODE_CHANGES)
def test_changed_code_is_another_run(plan_one, toy, change):
    before = plan_one()
    CODE_CHANGES[change](toy)
    assert plan_one().run_id != before.run_id


NO_CHANGES = {
    "comment": lambda home: swap(home / "method.py", "# the mean", "# the mean of each channel"),
    "docstring": lambda home: swap(home / "method.py", "Answers the mean of each channel.", "Answers."),
    "docstring gone": lambda home: swap(home / "method.py", '"""A toy."""', ""),
    "layout": lambda home: swap(home / "method.py", "(4, 2)", "(\n        4,\n        2,\n    )"),
    "card's text": lambda home: swap(home / "card.yaml", "For the tests.", "Of no use."),
    "notes": lambda home: (home / "NOTES.md").write_text("notes"),
    "compiled": lambda home: (
        (home / "__pycache__").mkdir(exist_ok=True),
        (home / "__pycache__/x.pyc").write_bytes(b"x"),
    ),
}


@pytest.mark.parametrize("change", NO_CHANGES)
def test_changed_comments_and_descriptions_are_the_same_run(plan_one, toy, change):
    before = plan_one()
    NO_CHANGES[change](toy)
    assert plan_one().file.key == before.file.key


CARD_CHANGES = {
    "input": lambda home: swap(home / "card.yaml", "flow: {kind: flow}", "image: {kind: flow}"),
    "another input": lambda home: swap(home / "card.yaml", "inputs:", "inputs:\n  second: {kind: flow}"),
    "configuration": lambda home: swap(home / "card.yaml", "default: {}", "default: {rate: 0.125}"),
}


@pytest.mark.parametrize("change", CARD_CHANGES)
def test_what_the_card_decides_is_in_the_key(plan_one, toy, change):
    before = plan_one()
    CARD_CHANGES[change](toy)
    assert plan_one().run_id != before.run_id


def test_a_card_that_turns_transductive_is_another_run_where_the_protocol_lets_it(plan_one, toy, small_protocol):
    """What is handed to `fit` differs, so the result does."""
    small_protocol.write_text(small_protocol.read_text() + "transductive: true\n")
    before = plan_one()
    swap(toy / "card.yaml", "inputs:", "transductive: true\ninputs:")
    after = plan_one()
    assert (before.task.transductive, after.task.transductive) == (False, True)
    assert after.run_id != before.run_id


def test_a_transductive_method_is_refused_where_the_protocol_is_not(plan_one, toy):
    swap(toy / "card.yaml", "inputs:", "transductive: true\ninputs:")
    with pytest.raises(MerbenchError, match=r"method \S+ is transductive: .* which protocol small does not allow"):
        plan_one()


@pytest.mark.parametrize("room", ["engine", "prepare", "training"])
def test_the_code_versions_of_shared_rooms_are_in_the_key(plan_one, toy, monkeypatch, room):
    before = plan_one().run_id
    monkeypatch.setattr(f"merbench.{room}.CODE_VERSION", merbench.training.CODE_VERSION + 100)
    assert plan_one().run_id != before


def test_two_methods_do_not_share_a_run(plan_one, toy, tmp_path, monkeypatch):
    plug_in(tmp_path, monkeypatch, name="tin")
    assert plan_one("tin").file.key.code_digest == plan_one("toy").file.key.code_digest
    assert plan_one("tin").key_digest != plan_one("toy").key_digest


# --- grids ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def prepared(small_release, small_protocol):
    spec = load_protocol(small_protocol)
    return PreparedProtocol.of(spec, choose_data(str(small_release), [spec]))


def test_a_grid_is_protocols_by_methods_by_seeds(prepared, toy):
    plans = plan_runs(Request.named(("toy", "stratified-random", "toy"), seeds=(0, 2)), [prepared])
    assert [(plan.file.method, plan.task.seed, plan.file.key.seed) for plan in plans] == [
        ("toy", 0, 0),
        ("toy", 2, 2),
        ("stratified-random", 0, 0),
        ("stratified-random", 2, 2),
    ]
    assert len({plan.run_id for plan in plans}) == 4


def test_a_deterministic_method_counts_one_seed(prepared):
    plans = plan_runs(Request.named(("majority", "svm-flow"), seeds=(3, 4, 5)), [prepared])
    assert [(plan.file.method, plan.file.key.seed, plan.file.deterministic) for plan in plans] == [
        ("majority", 3, True),
        ("svm-flow", 3, True),
    ]


def test_a_run_file_says_what_the_run_is(prepared, toy):
    swap(toy / "card.yaml", "inputs:", "data_seen: [imagenet]\nremark: tried twice\ninputs:")
    (plan,) = plan_runs(Request.named(("toy",), config="long", settings={"toy:rate": "0.25"}, seeds=(7,)), [prepared])
    file = plan.file
    assert (file.method, file.config_name, file.variant) == ("toy", "long", "rate=0.25")
    assert file.key.config == {"epochs": 9, "rate": 0.25, "layers": [4, 2]}
    assert (file.protocol, file.task, file.outputs) == ("small", "classification", ["negative", "positive", "surprise"])
    assert (file.data, file.synthetic, file.deterministic) == ("megc2019-flow28", False, False)
    assert (file.disclosures, file.remark) == (["weights have seen imagenet"], "tried twice")
    assert sum(file.folds.values()) == 24
    assert file.folds["casme2/sub11"] == 2
    assert len(file.folds) == 9
    assert plan.task.config.epochs == 9


def test_settings_for_one_method_leave_the_others_and_win_over_those_for_all(prepared, toy, tmp_path, monkeypatch):
    plug_in(tmp_path, monkeypatch, name="tin")
    settings = {"tin:rate": "0.75", "rate": "0.25"}
    plans = plan_runs(Request.named(("toy", "tin"), settings=settings, configs={"tin": "long"}), [prepared])
    assert [(plan.task.config.rate, plan.task.config.epochs) for plan in plans] == [(0.25, 3), (0.75, 9)]


def test_inputs_are_built_once_for_all_methods(prepared, toy):
    plans = plan_runs(Request.named(("toy", "svm-flow", "ststnet"), seeds=(0, 1)), [prepared])
    assert len(prepared.built) == 1
    assert len({id(plan.task.inputs["flow"]) for plan in plans}) == 1


WRONG = {
    "unknown method": (
        {"methods": ("svmflow",)},
        r"unknown method 'svmflow' \(did you mean 'svm-flow' or 'svm-flow-aus'\?\)",
    ),
    "unknown configuration": ({"config": "lang"}, r"toy has no configuration 'lang' \(did you mean 'long'\?\)"),
    "unknown setting": ({"settings": {"epoch": "3"}}, r"unknown key 'epoch' \(did you mean 'epochs'\?\)"),
    "wrong type": ({"settings": {"epochs": "many"}}, r"settings of toy: epochs: .*not 'many'"),
    "not whole": ({"settings": {"epochs": "2.5"}}, "settings of toy: epochs"),
    "method of another grid": ({"settings": {"ststnet:epochs": "3"}}, "method 'ststnet' is not part of this run"),
    "configuration of another grid": ({"configs": {"toi": "long"}}, r"'toi' is not part .*\(did you mean 'toy'\?\)"),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_wrong_requests_get_one_line(prepared, toy, mistake):
    changes, message = WRONG[mistake]
    with pytest.raises(MerbenchError, match=message) as caught:
        plan_runs(Request.named(**{"methods": ("toy",)} | changes), [prepared])
    assert "\n" not in str(caught.value)


def test_a_method_that_needs_what_the_data_has_not_is_refused_with_what_is_missing(prepared, toy):
    swap(toy / "card.yaml", "flow: {kind: flow}", "faces: {kind: frames, count: 8}")
    with pytest.raises(
        MerbenchError, match=r"toy can't run on megc2019-flow28: input 'faces', frames\(.*has only flow"
    ):
        plan_runs(Request.named(("toy",)), [prepared])


def test_a_method_of_another_task_is_refused(prepared, toy):
    swap(toy / "card.yaml", "inputs:", "tasks: [au-detection]\ninputs:")
    with pytest.raises(MerbenchError, match="toy does au-detection, protocol small is classification"):
        plan_runs(Request.named(("toy",)), [prepared])


def test_a_configuration_may_ask_for_its_own_inputs(plan_one, toy):
    before = plan_one()
    swap(
        toy / "method.py",
        "    def fit(self",
        "    @classmethod\n    def declare_inputs(cls, config):\n"
        "        from merbench.contracts.inputs import Flow\n"
        "        return {'two': Flow(), 'flow': Flow()} if config.epochs > 3 else {'flow': Flow()}\n\n    def fit(self",
    )
    for name in ("method", "share"):  # read again, as a new process would
        sys.modules.pop(f"{toy.name}.{name}", None)
    assert sorted(plan_one().task.inputs.names()) == ["flow"]
    assert sorted(plan_one(config="long").task.inputs.names()) == ["flow", "two"]
    assert sorted(plan_one(config="long").file.key.input_digests) == ["flow", "two"]
    assert sorted(before.file.key.input_digests) == ["flow"]


# --- pretraining clips ----------------------------------------------------------------------------------------------

DATABASE = """\
import numpy as np
import pandas as pd

from merbench.contracts.clips import clip_table
from merbench.contracts.databases import DatabaseCard, Reading
from merbench.contracts.inputs import Flow

PEOPLE = {{"smic-vis": ["s06", "s07"], "smic-hs": ["s06", "s11"], "extra": ["s06", "x1"]}}

WORD = ["happiness", "disgust"]


class More:
    card = DatabaseCard(
        name="{name}",
        title="More",
        datasets={{name: name for name in PEOPLE}},
        licence="none",
        source="made",
        offers=(Flow(),),
        same_people={{"smic-vis": "smic", "smic-hs": "smic"}},
    )

    def recognises(self, folder):
        return (folder / "more.txt").exists()

    def read(self, folder, corrections=True):
        shift = int((folder / "more.txt").read_text())
        rows = [dict(dataset=d, subject=s, clip=f"c{{n}}", emotion=WORD[shift == 8], path=f"p{{n}}")
                for d, people in PEOPLE.items() for s in people for n in range(2 + (shift == 7))]
        return Reading(clip_table(pd.DataFrame(rows), "more"), "made")

    def arrays(self, folder, clips, spec):
        return np.full((len(clips), 28, 28, 3), (folder / "more.txt").read_text() == "6", dtype=np.uint8)


DATABASE = More()
"""


@pytest.fixture
def more(tmp_path, monkeypatch, toy):
    """Register a database of pretraining clips, and let the toy declare it."""
    database = DATABASE.format(name="more")
    plug_in(tmp_path, monkeypatch, "more", "", {"database.py": database}, "databases", "database:DATABASE")
    folder = tmp_path / "more-data"
    folder.mkdir()
    (folder / "more.txt").write_text("5")
    register("more", folder)
    swap(toy / "card.yaml", "inputs:", "auxiliary: [more]\ninputs:")
    return folder


def test_the_pretraining_database_says_who_is_who_even_where_the_tested_data_does_not(plan_one, more):
    """SMIC's HS and VIS film the same people; the flow release knows nothing of VIS, the pretraining database does."""
    plan = plan_one()
    seen = {}

    class Looking(plan.task.method):
        def fit(self, train, run):
            seen["people"] = set(run.auxiliary("more").subjects)

    everyone = {"smic-vis/s06", "smic-vis/s07", "smic-hs/s06", "smic-hs/s11", "extra/s06", "extra/x1"}
    for fold, held_out in {
        "smic-hs/s06": {"smic-hs/s06", "smic-vis/s06"},
        "smic-hs/s07": {"smic-vis/s07"},
        "casme2/sub06": set(),
    }.items():
        assert run_fold(replace(plan.task, method=Looking), fold).failure is None
        assert seen["people"] == everyone - held_out, fold


@pytest.mark.parametrize("content", ["6", "7", "8"], ids=["values", "clips", "emotions"])
def test_pretraining_clips_and_their_values_are_in_the_key(plan_one, more, content):
    before = plan_one()
    (more / "more.txt").write_text(content)
    after = plan_one()
    assert after.run_id != before.run_id
    assert after.file.disclosures == ["pretrained on more"]


def test_pretraining_data_that_is_not_there_is_refused(plan_one, toy):
    swap(toy / "card.yaml", "inputs:", "auxiliary: [nowhere]\ninputs:")
    with pytest.raises(MerbenchError, match="nowhere"):
        plan_one()


# --- what a plan is made into ---------------------------------------------------------------------------------------


class Silent:
    def __getattr__(self, name):
        return lambda *args, **kwargs: None


def test_the_results_folder_and_what_watches_change_neither_run_nor_predictions(prepared, toy, tmp_path):
    (plan,) = plan_runs(Request.named(("toy",)), [prepared])
    files = []
    for results in (tmp_path / "one", tmp_path / "some" / "where" / "else"):
        (state,) = execute([plan], results, Silent())
        assert state.complete
        files.append((results / plan.run_id / "predictions.parquet").read_bytes())
    assert files[0] == files[1]


def test_every_method_that_comes_with_merbench_is_planned_on_the_release_or_told_what_it_lacks(plan_one):
    planned = {}
    for entry in METHODS.entries():
        if entry.origin != "merbench":
            continue
        try:
            planned[entry.name] = plan_one(entry.name).run_id
        except MerbenchError as error:
            tasks = method_card(entry).tasks
            lacks = f"method {entry.name} can't run on megc2019-flow28: input"
            other = f"method {entry.name} does au-detection, protocol small is classification"
            assert (lacks if "classification" in tasks else other) in str(error)  # noqa: PT017
    assert {"majority", "stratified-random", "svm-flow", "ststnet"} <= planned.keys()
    assert len(set(planned.values())) == len(planned)


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


def test_an_annotation_that_changes_neither_label_nor_pixel_is_in_the_key(prepared):
    clips = prepared.data.clips
    before = key_of(prepared)
    assert key_of(other_data(prepared, clips.copy())) == before
    for column, value in (("onset", 17), ("emotion", "disgust"), ("aus", "4+R12")):
        changed = clips.assign(**{column: clips[column].astype(object)})
        changed.loc[0, column] = value
        after = key_of(other_data(prepared, changed))
        assert after.digest() != before.digest(), column
        assert (after.split_digest, after.input_digests) == (before.split_digest, before.input_digests), column


def test_who_is_the_same_person_is_in_the_key_where_it_changes_who_is_trained_on(prepared, small_release):
    shared = {"smic-hs": "filmed together", "casme2": "filmed together"}
    before = key_of(prepared)
    assert key_of(other_data(prepared, same_people=shared)) == before  # s06 and sub06 are two even so

    clips = prepared.data.clips
    clips = clips.assign(subject=clips.subject.replace({"sub06": "06", "s06": "06"}))
    apart, together = other_data(prepared, clips), other_data(prepared, clips, same_people=shared)
    assert key_of(together).digest() != key_of(apart).digest()
    assert key_of(together).split_digest != key_of(apart).split_digest


def test_synthetic_data_is_said_to_be_so(prepared, toy):
    (plan,) = plan_runs(Request.named(("toy",)), [other_data(prepared, synthetic=True)])
    assert plan.file.synthetic
    assert plan.file.data == "other"


# --- which configuration runs, and where ----------------------------------------------------------------------------

SIZED = CARD.replace("  default: {{}}\n", "  full: {{epochs: 50}}\n  small: {{epochs: 7}}\n") + "default: full\n"


@pytest.fixture
def sized(tmp_path, monkeypatch):
    """Install a method of torch whose card says what runs without a GPU; return what writes how its card ends."""
    files = {"method.py": METHOD.replace('"""A toy."""', "import torch"), "share.py": "SHIFT = 1.0\n"}
    home = plug_in(tmp_path, monkeypatch, name="sized", card=SIZED, files=files)

    def write(more):
        (home / "card.yaml").write_text(SIZED.format(name="sized") + more)

    return write


@pytest.fixture
def gpu(monkeypatch):
    """Return what lets torch seem to find a GPU, or none."""
    return lambda there: monkeypatch.setattr(torch.cuda, "is_available", lambda: there)


GPU, SMALL, SHORT = "cpu: small\n", "quick: small\n", "quick: long\n"
NO_GPU = "configuration sized:small, no GPU found; --config sized:full is for GPUs"
FIRST = "configuration sized:{}, for a first look; --config sized:{} trains at full length"
CASES = [
    # the card's last lines, a GPU, the small stand-in -> which configuration, and what is told of it
    ("", False, False, "full", ""),
    ("", True, True, "full", ""),
    (GPU, True, False, "full", ""),
    (GPU, False, False, "small", NO_GPU),
    (SHORT, True, False, "full", ""),
    (SHORT, False, True, "long", FIRST.format("long", "full")),
    (GPU + SHORT, False, True, "long", FIRST.format("long", "small")),
    (GPU + SHORT, True, True, "long", FIRST.format("long", "full")),
    (GPU + SHORT, False, False, "small", NO_GPU),
    (GPU + SMALL, False, True, "small", NO_GPU),
    (GPU + SMALL, True, True, "small", FIRST.format("small", "full")),
    ("cpu: full\n", False, False, "full", ""),
]


@pytest.mark.parametrize(("card", "there", "first_look", "expected", "told"), CASES)
def test_the_card_the_gpu_and_the_stand_in_settle_the_configuration(
    sized, gpu, card, there, first_look, expected, told
):
    sized(card)
    gpu(there)
    for named in ({}, {"config": "long"}, {"configs": {"sized": "long"}}):
        (found,) = Request.named(("sized",), **named).methods
        found = found.for_first_look() if first_look else found
        assert (found.name, found.why) == (("long", "") if named else (expected, told.partition(", ")[2]))


def test_a_run_is_that_of_its_configuration_whatever_led_to_it(sized, gpu, plan_one):
    sized(GPU)
    gpu(False)
    without = plan_one("sized")
    assert (without.file.config_name, without.file.variant, without.task.config.epochs) == ("small", "", 7)
    assert plan_one("sized", config="small").run_id == without.run_id
    gpu(True)
    there = plan_one("sized")
    assert (there.file.config_name, there.file.variant, there.task.config.epochs) == ("full", "", 50)
    assert plan_one("sized", config="small").file.key == without.file.key  # the device is recorded, not keyed


def test_methods_of_torch_are_planned_for_the_gpu_and_others_for_the_cpu(prepared, gpu, monkeypatch):
    for there, devices in (
        (True, {"ststnet": "cuda:0", "svm-flow": "cpu"}),
        (False, dict.fromkeys(("ststnet", "svm-flow"), "cpu")),
    ):
        gpu(there)
        plans = plan_runs(Request.named(("ststnet", "svm-flow")), [prepared])
        assert {plan.file.method: plan.task.device for plan in plans} == devices


def test_on_the_stand_in_each_method_of_a_grid_has_its_own_short_configuration():
    short = [each.for_first_look() for each in Request.named(("ststnet", "svm-flow")).methods]
    assert [each.name for each in short] == ["quick", "default"]
    assert short[1].why == ""
    (named,) = Request.named(("ststnet",), configs={"ststnet": "default"}).methods
    assert named.for_first_look() == named


def test_a_configuration_that_some_method_of_the_grid_lacks_is_refused(prepared):
    with pytest.raises(MerbenchError, match="method svm-flow has no configuration 'quick'"):
        plan_runs(Request.named(("ststnet", "svm-flow"), config="quick"), [prepared])
