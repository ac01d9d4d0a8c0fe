"""Auxiliary data of a configuration: which databases, with what inputs and labels, and what a run says of it."""

import re
import sys

import numpy as np
import pytest
from support.cases import each
from support.phased import SHARED, plug_in_database, plug_in_phased
from support.refusals import refusal
from support.toy_package import swap

from merbench.databases.registrations import home
from merbench.engine.plan.runs import Request, plan_runs


@pytest.fixture
def phased(tmp_path, monkeypatch):
    return plug_in_phased(tmp_path, monkeypatch)


@pytest.fixture
def more(tmp_path, monkeypatch):
    return plug_in_database(tmp_path, monkeypatch)


def changed(folder, old, new):
    """Change the method, which is read again, as by a new process."""
    swap(folder / "method.py", old, new)
    sys.modules.pop(f"{folder.name}.method", None)


def test_a_configuration_discloses_what_it_is_pretrained_on(plan_one, phased, more):
    both, external, none = (plan_one("phased", config=name) for name in ("default", "external", "none"))
    assert both.file.disclosures == external.file.disclosures == ["pretrained on more"]
    assert none.file.disclosures == []  # ranked with ordinary methods
    assert [sorted(plan.task.auxiliary) for plan in (both, external, none)] == [["more"], ["more"], []]
    assert sorted(none.file.key.input_digests) == ["flow"]
    assert sorted(both.file.key.input_digests) == ["flow", "more:clips", "more:flow", "more:people"]
    changed(phased, "    @classmethod\n    def auxiliary", "    @classmethod\n    def unused")
    assert re.search("'further'", refusal(plan_one, "phased"))  # all that the card lists, of which one is not known


def test_labels_are_mapped_by_the_protocol(plan_one, phased, more):
    data = plan_one("phased").task.auxiliary["more"]
    word_of = dict(zip(data.emotions, data.labels, strict=True))
    assert word_of == {"disgust": 0, "happiness": 1, "surprise": 2, "tense": -1}
    assert data.labels.dtype == np.int64
    assert (data.subjects[0], data.datasets[0], len(data)) == ("more/m1", "more", 12)


def test_own_inputs_of_auxiliary_data_are_prepared(plan_one, phased, more):
    changed(phased, '{"more": None}', '{"more": {"large": Flow(size=56)}}')
    swap(
        phased / "method.py",
        "from torch import nn\n",
        "from torch import nn\n\nfrom merbench.contracts.inputs import Flow\n",
    )
    task = plan_one("phased", config="external").task
    assert list(task.inputs.names()) == ["flow"]
    assert task.auxiliary["more"].inputs["large"].batch().shape == (12, 56, 56, 3)
    changed(phased, "Flow(size=56)", "Flow(size=112)")
    assert re.search(r"phased can't pretrain: no .*more: input 'large', .*has only", refusal(plan_one, "phased"))


def test_databases_that_may_not_be_pretrained_on_are_refused(prepared, tmp_path, monkeypatch, phased, more):
    def refused(config=None):
        return refusal(plan_runs, Request.named(("phased",), config=config), [prepared])

    for old, new, message in each((
        ('"more": None', '"other": None', "phased: auxiliary.config. names other, which its card does not list"),
        ('"more": None', '"further": None', "'further'"),
    )):  # fmt: skip
        changed(phased, old, new)
        assert re.search(message, refused())
        changed(phased, new, old)
    plug_in_database(tmp_path, monkeypatch, name="further")
    swap(phased / "card.yaml", "[more, further]", "[more, megc2019-flow28]")
    changed(phased, '"more": None', '"megc2019-flow28": None')
    said = "megc2019-flow28 can't be auxiliary data, since protocol small tests on its clips of casme2, samm, smic-hs: "
    assert f"method phased can't pretrain: {said}choose a configuration" in refused()
    assert plan_runs(Request.named(("phased",), config="none"), [prepared])


def test_what_is_kept_is_named_by_what_pretraining_depends_on(plan_one, phased, more):
    def kept(**request):
        return plan_one("phased", **request).task.kept

    first = kept(config="external")
    assert first.parent == home() / "pretrained"
    same = [
        kept(config="external", **options)
        for options in ({"seeds": (3,)}, {"selection": "inner"}, {"keep_epochs": True})
    ]
    assert set(same) == {first}  # the seed is in the file's name
    others = [kept(), kept(config="external", settings={"epochs": "2"}), kept(config="external", shuffled=True)]
    more.write_text(SHARED)
    others.append(kept(config="external"))
    changed(phased, "epochs=2", "epochs=4")
    others.append(kept(config="external"))
    assert len({first, *others}) == 6
    assert kept(config="none") is None
