"""Grids of runs: methods, protocols and seeds, pretraining data, and the configuration that runs."""

import re
import sys
from dataclasses import replace
from importlib.metadata import version
from unittest.mock import MagicMock

import pytest
import torch
from support.cases import each
from support.plugins import forget
from support.refusals import refusal
from support.toy_package import CARD, METHOD, plug_in, swap

from merbench.contracts.errors import MerbenchError
from merbench.databases.registrations import register
from merbench.engine import environment
from merbench.engine.execute.grid import execute
from merbench.engine.fold.folds import run_fold
from merbench.engine.plan.catalogue import METHODS, method_card
from merbench.engine.plan.runs import Request, plan_runs


def test_a_grid_is_protocols_by_methods_by_seeds(prepared, toy):
    """Deterministic methods run once, and inputs are built once for all methods."""
    for methods, seeds, expected in each((
        (("toy", "stratified-random", "toy"), (0, 2), [
            ("toy", 0, False), ("toy", 2, False), ("stratified-random", 0, False), ("stratified-random", 2, False),
        ]),
        (("majority", "svm-flow"), (3, 4, 5), [("majority", 3, True), ("svm-flow", 3, True)]),
        (("toy", "ststnet"), (0,), [("toy", 0, False), ("ststnet", 0, False)]),
    )):  # fmt: skip
        plans = plan_runs(Request.named(methods, seeds=seeds), [prepared])
        assert [(plan.file.method, plan.file.key.seed, plan.file.deterministic) for plan in plans] == expected
        assert [plan.task.seed for plan in plans] == [seed for _, seed, _ in expected]
        assert len({plan.run_id for plan in plans}) == len(expected)
    assert len(prepared.built) == len({id(plan.task.inputs["flow"]) for plan in plans}) == 1


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
    assert "not_ranked" not in file.model_dump()
    swap(toy / "card.yaml", "inputs:", "not_ranked: {known from test clips: {rate: [0.25, 0.5]}}\ninputs:")
    forget()
    for rate, reasons in (("0.25", ["known from test clips"]), ("0.3", [])):
        (plan,) = plan_runs(Request.named(("toy",), settings={"rate": rate}), [prepared])
        assert plan.file.not_ranked == reasons
    swap(toy / "card.yaml", "{rate: [0.25, 0.5]}", "{rat: 1}")
    forget()
    with pytest.raises(MerbenchError, match=r"not_ranked on its card names 'rat', which is not a setting .*'rate'"):
        METHODS.get("toy")


def test_versions_of_what_a_method_imports_or_requires_are_recorded(prepared, toy):
    swap(
        toy / "method.py",
        "from .share",
        "import yaml, csv, sklearn.svm\nfrom packaging.version import Version\nfrom .share",
    )
    swap(toy / "card.yaml", "inputs:", "requires: [timm]\ninputs:")
    (plan,) = plan_runs(Request.named(("toy",)), [prepared])
    assert plan.task.requires == ("timm", "packaging", "scikit-learn", "pyyaml")
    assert environment.packages(plan.task.requires).items() >= {"pyyaml": version("PyYAML")}.items()
    (other,) = plan_runs(Request.named(("majority",)), [prepared])
    assert other.task.requires == ("numpy", "scikit-learn")


def test_settings_of_one_method_win_over_those_of_all(prepared, toy, tmp_path, monkeypatch):
    plug_in(tmp_path, monkeypatch, name="tin")
    settings = {"tin:rate": "0.75", "rate": "0.25"}
    plans = plan_runs(Request.named(("toy", "tin"), settings=settings, configs={"tin": "long"}), [prepared])
    assert [(plan.task.config.rate, plan.task.config.epochs) for plan in plans] == [(0.25, 3), (0.75, 9)]


def test_wrong_requests_are_named(prepared, toy):
    for wrong, message in each((
        ({"methods": ("svmflow",)}, "'svmflow' .*'svm-flow'"),
        ({"methods": ("ststnet", "svm-flow"), "config": "quick"}, "svm-flow has no configuration 'quick'"),
        ({"config": "lang"}, "'lang' .*'long'"),
        ({"settings": {"epoch": "3"}}, "'epoch' .*'epochs'"),
        ({"settings": {"epochs": "many"}}, "epochs: .*'many'"),
        ({"settings": {"ststnet:epochs": "3"}}, "'ststnet' is not part of this run"),
        ({"configs": {"toi": "long"}}, "'toi' is not part .*'toy'"),
    )):  # fmt: skip
        assert re.search(message, refusal(lambda wrong=wrong: Request.named(**{"methods": ("toy",)} | wrong)))
    card = (toy / "card.yaml").read_text()
    for old, new, message in each((
        ("flow: {kind: flow}", "faces: {kind: frames, count: 8}",
         r"toy can't run on megc2019-flow28: input 'faces', frames\(.*has only flow"),
        ("inputs:", "tasks: [au-detection]\ninputs:", "toy is for au-detection, protocol small is for classification"),
        ("inputs:", "auxiliary: [nowhere]\ninputs:", "nowhere"),  # pretraining data
    )):  # fmt: skip
        swap(toy / "card.yaml", old, new)
        assert re.search(message, refusal(plan_runs, Request.named(("toy",)), [prepared]))
        (toy / "card.yaml").write_text(card)
        forget()


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


DATABASE = """\
import numpy as np
import pandas as pd

from merbench.contracts.clips import clip_table
from merbench.contracts.databases import DatabaseCard, Reading
from merbench.contracts.inputs import Flow

PEOPLE = {"smic-vis": ["s06", "s07"], "smic-nir": ["s06", "s11"], "extra": ["s06", "x1"]}
WORD = ["happiness", "disgust"]


class More:
    card = DatabaseCard(name="more", title="More", datasets={name: name for name in PEOPLE}, licence="none",
                        source="made", offers=(Flow(),), same_people={"smic-vis": "smic", "smic-hs": "smic"})

    def recognises(self, folder):
        return (folder / "more.txt").exists()

    def read(self, folder, corrections=True):
        shift = int((folder / "more.txt").read_text())
        rows = [dict(dataset=d, subject=s, clip=f"c{n}", emotion=WORD[shift == 8], path=f"p{n}")
                for d, people in PEOPLE.items() for s in people for n in range(2 + (shift == 7))]
        return Reading(clip_table(pd.DataFrame(rows), "more"), "made")

    def arrays(self, folder, clips, spec):
        return np.full((len(clips), 28, 28, 3), (folder / "more.txt").read_text() == "6", dtype=np.uint8)


DATABASE = More()
"""


@pytest.fixture
def more(tmp_path, monkeypatch, toy):
    """Register a database of pretraining clips, and let the toy declare it."""
    plug_in(tmp_path, monkeypatch, "more", "", {"database.py": DATABASE}, "databases", "database:DATABASE")
    folder = tmp_path / "more-data"
    folder.mkdir()
    (folder / "more.txt").write_text("5")
    register("more", folder)
    swap(toy / "card.yaml", "inputs:", "auxiliary: [more]\ninputs:")
    return folder


def test_pretraining_excludes_the_people_who_are_tested(plan_one, more):
    """SMIC's HS and VIS film the same people; the flow release knows nothing of VIS, the pretraining database does."""
    plan = plan_one()
    seen = {}

    class Looking(plan.task.method):
        def fit(self, train, run):
            seen["people"] = set(run.auxiliary("more").subjects)

    everyone = {"smic-vis/s06", "smic-vis/s07", "smic-nir/s06", "smic-nir/s11", "extra/s06", "extra/x1"}
    for fold, held_out in {
        "smic-hs/s06": {"smic-nir/s06", "smic-vis/s06"},
        "smic-hs/s07": {"smic-vis/s07"},
        "casme2/sub06": set(),
    }.items():
        assert run_fold(replace(plan.task, method=Looking), fold).failure is None
        assert seen["people"] == everyone - held_out, fold


def test_pretraining_clips_and_their_values_are_in_the_key(plan_one, more):
    seen = [plan_one().run_id]
    for content in ("6", "7", "8"):  # values, clips, emotions
        (more / "more.txt").write_text(content)
        after = plan_one()
        assert after.run_id not in seen
        assert after.file.disclosures == ["pretrained on more"]
        seen.append(after.run_id)


def test_the_results_folder_changes_no_prediction(prepared, toy, tmp_path):
    (plan,) = plan_runs(Request.named(("toy",)), [prepared])
    files = []
    for results in (tmp_path / "one", tmp_path / "some" / "where" / "else"):
        (state,) = execute([plan], results, MagicMock())
        assert state.complete
        files.append((results / plan.run_id / "predictions.parquet").read_bytes())
    assert files[0] == files[1]


def test_every_built_in_method_is_planned_or_refused_by_name(plan_one):
    planned = {}
    for entry in METHODS.entries():
        if entry.origin != "merbench":
            continue
        try:
            planned[entry.name] = plan_one(entry.name).run_id
        except MerbenchError as error:
            tasks = method_card(entry).tasks
            lacks = f"method {entry.name} can't run on megc2019-flow28: input"
            other = f"method {entry.name} is for au-detection, protocol small is for classification"
            assert (lacks if "classification" in tasks else other) in str(error)  # noqa: PT017
    assert {"majority", "stratified-random", "svm-flow", "ststnet"} <= planned.keys()
    assert len(set(planned.values())) == len(planned)


SIZED = CARD.replace("  default: {{}}\n", "  full: {{epochs: 50}}\n  small: {{epochs: 7}}\n") + "default: full\n"


@pytest.fixture
def sized(tmp_path, monkeypatch):
    """Install a method of torch whose card says what runs without a GPU; return what writes how its card ends."""
    files = {"method.py": METHOD.replace('"""A toy."""', "import torch"), "share.py": "SHIFT = 1.0\n"}
    home = plug_in(tmp_path, monkeypatch, name="sized", card=SIZED, files=files)

    def write(more):
        (home / "card.yaml").write_text(SIZED.format(name="sized") + more)
        forget()

    return write


@pytest.fixture
def gpu(monkeypatch):
    """Return what lets torch seem to find a GPU, or none."""
    return lambda there: monkeypatch.setattr(torch.cuda, "is_available", lambda: there)


GPU, SMALL, SHORT = "cpu: small\n", "quick: small\n", "quick: long\n"
NO_GPU = "no GPU found; --config sized:full is for GPUs"
FIRST = "for a first look; --config sized:{} trains at full length"
CASES = [
    # end of the card, GPU, small synthetic data, configuration, reason
    ("", False, False, "full", ""),
    ("", True, True, "full", ""),
    (GPU, True, False, "full", ""),
    (GPU, False, False, "small", NO_GPU),
    (SHORT, True, False, "full", ""),
    (SHORT, False, True, "long", FIRST.format("full")),
    (GPU + SHORT, False, True, "long", FIRST.format("small")),
    (GPU + SHORT, True, True, "long", FIRST.format("full")),
    (GPU + SHORT, False, False, "small", NO_GPU),
    (GPU + SMALL, False, True, "small", NO_GPU),
    (GPU + SMALL, True, True, "small", FIRST.format("full")),
    ("cpu: full\n", False, False, "full", ""),
]


def test_card_gpu_and_data_determine_the_configuration(sized, gpu):
    for card, there, first_look, expected, why in CASES:
        sized(card)
        gpu(there)
        for named in ({}, {"config": "long"}, {"configs": {"sized": "long"}}):
            (found,) = Request.named(("sized",), **named).methods
            found = found.for_first_look() if first_look else found
            assert (found.name, found.why) == (("long", "") if named else (expected, why)), card


def test_a_run_is_that_of_its_configuration_on_any_machine(sized, gpu, plan_one):
    sized(GPU)
    gpu(False)
    without = plan_one("sized")
    assert (without.file.config_name, without.file.variant, without.task.config.epochs) == ("small", "", 7)
    assert plan_one("sized", config="small").run_id == without.run_id
    gpu(True)
    there = plan_one("sized")
    assert (there.file.config_name, there.file.variant, there.task.config.epochs) == ("full", "", 50)
    assert plan_one("sized", config="small").file.key == without.file.key  # the device is recorded, not keyed


def test_only_torch_methods_are_planned_for_the_gpu(prepared, gpu):
    for there, devices in ((True, ["cuda:0", "cpu"]), (False, ["cpu", "cpu"])):
        gpu(there)
        plans = plan_runs(Request.named(("ststnet", "svm-flow")), [prepared])
        assert [plan.task.device for plan in plans] == devices


def test_each_method_has_its_own_quick_configuration():
    short = [each.for_first_look() for each in Request.named(("ststnet", "svm-flow")).methods]
    assert [each.name for each in short] == ["quick", "default"]
    assert short[1].why == ""
    (named,) = Request.named(("ststnet",), configs={"ststnet": "default"}).methods
    assert named.for_first_look() == named
