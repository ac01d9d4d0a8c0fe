"""Which data a grid runs on: settled once, said in a sentence, refused with what is missing."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from support.cases import each
from support.toy_package import plug_in

from merbench.contracts.clips import IDENTITY, clips_digest
from merbench.contracts.databases import SAME_PEOPLE, same_people
from merbench.contracts.errors import DataError, MerbenchError
from merbench.contracts.protocols import load_protocol
from merbench.databases import DATABASES
from merbench.databases.registrations import open_source, register
from merbench.engine.plan import data as engine_data
from merbench.engine.plan.catalogue import PROTOCOLS
from merbench.engine.plan.data import Data, choose_data, serves
from merbench.engine.plan.runs import PreparedProtocol
from merbench.splits.made import crossed

DATABASE = """\
import pandas as pd

from merbench.contracts.clips import clip_table
from merbench.contracts.databases import DatabaseCard, Reading
from merbench.contracts.inputs import Flow


class Made:
    card = DatabaseCard(name="{name}", title="Made", datasets=dict.fromkeys({datasets}, "made"), licence="none",
                        source="made", synthetic={synthetic}, offers={offers}, same_people={persons})

    def recognises(self, folder):
        return (folder / "{name}.txt").exists()

    def read(self, folder, corrections=True):
        rows = [dict(dataset=d, subject="1", clip="x", emotion="positive") for d in self.card.datasets]
        return Reading(clip_table(pd.DataFrame(rows), "made"), "made")

    def arrays(self, folder, clips, spec):
        raise NotImplementedError

    def frames(self, folder, path):
        raise NotImplementedError


DATABASE = Made()
"""


@pytest.fixture
def database(tmp_path, monkeypatch):
    """Install a database of frames (or of what it offers) and register a copy of it."""

    def make(name, datasets, synthetic=False, offers=None, persons=None, content=DATABASE, registered=True):
        text = content.format(name=name, datasets=datasets, synthetic=synthetic, offers=offers, persons=persons or {})
        plug_in(tmp_path, monkeypatch, name, None, {"reader.py": text}, "databases", "reader:DATABASE")
        folder = tmp_path / f"copy-{name}"
        folder.mkdir()
        (folder / f"{name}.txt").touch()
        if registered:
            register(name, folder)

    return make


@pytest.fixture
def small(small_protocol):
    return load_protocol(small_protocol)


@pytest.fixture
def made(monkeypatch, small_release):
    """Make synthetic data from the small release, and return the list of what was made."""
    asked = []

    def synthetic_source(name, progress):
        asked.append(name)
        progress(1, 1)
        return replace(open_source("megc2019-flow28", small_release), database=DATABASES.get(name))

    monkeypatch.setattr(engine_data, "synthetic_source", synthetic_source)
    return asked


def refused(protocols, requests, error=MerbenchError):
    """Assert that each request is refused with its line."""
    for request, said in each(requests.items()):
        with pytest.raises(error, match=said):
            choose_data(request, protocols)


THREE, TWO = ["smic-hs", "casme2", "samm"], ["smic-hs", "casme2"]


def test_a_release_serves_by_itself_by_name_or_by_folder(small, small_release):
    by_folder = choose_data(str(small_release), [small])
    assert by_folder.name == "megc2019-flow28"
    assert str(small_release) in by_folder.why
    assert "a copy of megc2019-flow28" in by_folder.why
    register("megc2019-flow28", small_release)
    for request, why in (
        ("auto", "the registered release that holds casme2, samm, smic-hs"),
        ("megc2019-flow28", "as asked for"),
    ):
        data = choose_data(request, [small])
        assert (data.name, data.why, data.synthetic) == ("megc2019-flow28", why, False)
        assert data.clips.equals(by_folder.clips)
    assert len(data.clips) == len(data.clips[IDENTITY].drop_duplicates()) == 24


def test_small_synthetic_data_is_made_where_nothing_is_registered_or_by_name(small, made):
    said = []
    watcher = SimpleNamespace(note=said.append, preparing=lambda what, done, total: said.append(what))
    data = choose_data("auto", [small], watcher)
    assert (data.name, data.synthetic) == ("synthetic-small", True)
    assert "no database of the protocol is registered" in data.why
    assert said == [f"data: synthetic-small, {data.why}", "making synthetic-small"]
    assert choose_data("synthetic-full", [small]).name == "synthetic-full"
    other = small.model_copy(update={"datasets": {"affwild": small.datasets["samm"]}})
    refused([other], {"auto": "no reader for affwild yet.*: protocol small can be printed"})
    assert made == ["synthetic-small", "synthetic-full"]


def test_what_made_the_clips_is_part_of_the_datas_digest(small, made):
    data = choose_data("synthetic-small", [small])
    (source,) = data.sources
    digests = {
        Data(data.name, "", (replace(source, reading=replace(source.reading, made_with=made_with)),)).digest(data.clips)
        for made_with in (None, "one", "two")
    }
    assert len(digests) == 3
    assert clips_digest(data.clips) in digests


def test_unknown_unregistered_and_missing_data_are_refused(small, small_release, tmp_path):
    close = dict.fromkeys(("megc2019-flow", "megc2019_flow28", "MEGC2019-flow28"), "'megc2019-flow28'")
    refused([small], {
        "megc2019-flow28": "'megc2019-flow28' is not registered here: merbench data fetch megc2019-flow28",
        **{name: f"'{name}' .*{meant}" for name, meant in close.items()},
    })  # fmt: skip
    refused([small], {str(tmp_path): "looks like none of the known databases"}, DataError)
    register("megc2019-flow28", small_release)
    small_release.rename(small_release.with_name("moved"))
    refused([small], {"auto": "release, which does not exist: mount it"}, DataError)


def test_the_databases_themselves_come_before_a_release(small, small_release, database, made):
    database("full", TWO)
    refused([small], {
        "auto": r"no data is registered for samm \(registered: casme2, smic-hs\)",
        "full": "data 'full' has no clips of samm; it holds casme2, smic-hs",
    })  # fmt: skip
    assert made == []
    register("megc2019-flow28", small_release)
    assert choose_data("auto", [small]).name == "megc2019-flow28"  # samm is missing: the release serves all
    database("sammframes", ["samm"])
    data = choose_data("auto", [small])
    assert (data.name, data.why) == ("full+sammframes", "all the protocol's databases are registered")
    assert set(data.clips.dataset) == set(THREE)
    joined = choose_data("sammframes+full", [small])
    assert (joined.name, len(joined.sources)) == ("sammframes+full", 2)


def test_a_dataset_of_two_sources_must_be_chosen(small, small_release, database):
    database("full", THREE)
    database("sammframes", ["samm"])
    register("megc2019-flow28", small_release)
    refused([small], {
        "auto": r"several registered databases hold samm \(full and sammframes\): say which",
        **dict.fromkeys(("megc2019-flow28+full", "full+full"), "casme2, samm, smic-hs twice"),
    })  # fmt: skip


def test_own_synthetic_databases_are_used_by_name_only(small, database, made):
    database("mine", THREE, synthetic=True)
    assert choose_data("auto", [small]).name == "synthetic-small"
    assert choose_data("mine", [small]).synthetic


def test_releases_that_are_synthetic_or_lack_a_dataset_are_not_taken(small, database, small_release, made):
    database("a-release", TWO, offers="(Flow(),)")
    assert choose_data("auto", [small]).name == "synthetic-small"
    database("program", THREE, synthetic=True, offers="(Flow(),)")
    data = choose_data("auto", [small])
    assert data.synthetic
    assert "synthetic" in data.why
    register("megc2019-flow28", small_release)
    assert choose_data("auto", [small]).name == "megc2019-flow28"


def test_the_data_must_serve_every_protocol_of_the_grid(small, small_release):
    register("megc2019-flow28", small_release)
    other = small.model_copy(update={"name": "other", "datasets": {"affwild": small.datasets["samm"]}})
    said = "no reader for affwild yet.*: protocol .* can be printed"
    refused([small, other], dict.fromkeys(("auto", "megc2019-flow28"), said))


CAMERAS = ["smic-hs", "smic-vis", "smic-nir"]


def test_people_are_the_same_as_cards_and_cameras_say(small, database):
    smic = ({}, {"smic-vis": "smic-vis"}, {"smic-vis": "mine", "smic-hs": "theirs"}, {"smic-nir": "smic"})
    for number, persons in enumerate(each(smic)):
        database(f"cameras{number}", CAMERAS, persons=persons)
        if not number:
            database("others", ["samm", "casme2"], persons={"samm": "lab"})
        names = same_people(choose_data(f"cameras{number}+others", [small]).sources)
        assert len({names.get(dataset, dataset) for dataset in CAMERAS}) == 1
        assert len({names.get(dataset, dataset) for dataset in THREE}) == 3
    database("full", [*TWO, "smic-vis"], persons={"smic-hs": "smic", "smic-vis": "smic"})  # of all sources together
    database("sammframes", ["samm"], persons={"samm": "samm"})
    assert same_people(choose_data("full+sammframes", [small]).sources) == dict.fromkeys(CAMERAS, "smic")
    database("again", THREE, persons={"smic-hs": "again"})  # a card may name the dataset that its people are of
    database("long", ["samm-lv", "smic-long"], persons={"samm-lv": "samm", "smic-long": "smic-vis"})
    names = same_people(choose_data("again+long", [small]).sources)
    for family in (["samm-lv", "samm"], ["smic-long", "smic-hs", "smic-vis"]):
        assert len({names.get(dataset, dataset) for dataset in family}) == 1


def test_families_that_share_people_are_of_known_same_people():
    pairs = {frozenset(spec.datasets) for name, spec in PROTOCOLS.load_all()[0].items() if spec.shares_people}
    assert set().union(*pairs) == {*SAME_PEOPLE, *SAME_PEOPLE.values()}


def test_other_cameras_do_not_train_on_the_people_who_are_tested(database):
    database("cameras", ["smic-hs", "smic-vis"])
    spec = crossed("lodo:smic-hs+smic-vis")
    data = choose_data("cameras", [spec])
    with pytest.raises(DataError, match="fold smic-hs has no clip to be trained on"):  # both show person 1 alone
        PreparedProtocol.of(spec, data)


def test_broken_databases_affect_no_other(small, small_release, database):
    register("megc2019-flow28", small_release)
    database("broken", ["samm"], content="raise ImportError('no such luck')", registered=False)
    for request in ("auto", str(small_release)):
        assert choose_data(request, [small]).name == "megc2019-flow28"


def test_releases_of_classes_serve_protocols_of_the_same_emotions():
    card = DATABASES.get("megc2019-flow28").card
    able = {name for name, spec in PROTOCOLS.load_all()[0].items() if serves(card, spec)}
    assert {"megc2019", "casme2-3", "samm-3", "smic-hs-3"} <= able
    assert serves(card, crossed("cross:casme2+samm->smic-hs"))  # its words are those of MEGC 2019
    # Fear and sadness are no negative clips of the release, and repression is: not so in these.
    assert able.isdisjoint({"cdmer-c-h", "cdmer-h-c", "casme2-3-fear-sadness", "casme2-4"})
    assert able.isdisjoint({"casme2-5", "samm-7", "megc2018-cde", "mmew-6", "cdmer-c-v", "casme2-au", "cd6me"})
    assert serves(DATABASES.get("samm").card, PROTOCOLS.get("samm-7"))
