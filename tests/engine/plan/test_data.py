"""Which data a grid runs on: settled once, said in a sentence, refused with what is missing."""

import itertools
from dataclasses import replace

import pytest
from support.plugins import forget

from merbench.contracts.clips import IDENTITY, clips_digest
from merbench.contracts.databases import SAME_PEOPLE, same_people
from merbench.contracts.errors import DataError, MerbenchError
from merbench.contracts.protocols import ProtocolSpec, load_protocol
from merbench.databases import DATABASES
from merbench.databases.registrations import open_source, register
from merbench.engine.plan import data as engine_data
from merbench.engine.plan.catalogue import PROTOCOLS
from merbench.engine.plan.data import Data, choose_data, serves
from merbench.engine.plan.runs import PreparedProtocol
from merbench.splits.made import crossed

NUMBERS = itertools.count()

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
        package = f"toydata{next(NUMBERS)}"
        site = tmp_path / f"site-{package}"
        info = site / f"{package}-1.0.dist-info"
        info.mkdir(parents=True)
        text = content.format(name=name, datasets=datasets, synthetic=synthetic, offers=offers, persons=persons or {})
        (site / f"{package}.py").write_text(text)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[merbench.databases]\n{name} = {package}:DATABASE\n")
        monkeypatch.syspath_prepend(site)
        forget()
        folder = tmp_path / f"copy-{name}"
        folder.mkdir()
        (folder / f"{name}.txt").touch()
        if registered:
            register(name, folder)
        return folder

    return make


@pytest.fixture
def small(small_protocol):
    return load_protocol(small_protocol)


def test_a_registered_release_serves_by_itself(small, small_release):
    register("megc2019-flow28", small_release)
    data = choose_data("auto", [small])
    assert data.name == "megc2019-flow28"
    assert data.why == "the registered release that holds casme2, samm, smic-hs"
    assert len(data.clips) == 24
    assert data.clips[IDENTITY].duplicated().sum() == 0
    assert not data.synthetic


def test_a_release_may_be_asked_for_by_name_or_by_folder(small, small_release):
    by_folder = choose_data(str(small_release), [small])
    assert by_folder.name == "megc2019-flow28"
    assert str(small_release) in by_folder.why
    assert "a copy of megc2019-flow28" in by_folder.why
    register("megc2019-flow28", small_release)
    by_name = choose_data("megc2019-flow28", [small])
    assert (by_name.name, by_name.why) == ("megc2019-flow28", "as asked for")
    assert by_name.clips.equals(by_folder.clips)


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


class Told:
    def __init__(self):
        self.said = []

    def preparing(self, what, done, total):
        self.said.append(what)

    def note(self, text):
        self.said.append(text)


def test_without_registrations_small_synthetic_data_is_made(small, made):
    watcher = Told()
    data = choose_data("auto", [small], watcher)
    assert (data.name, data.synthetic, made) == ("synthetic-small", True, ["synthetic-small"])
    assert "no database of the protocol is registered" in data.why
    assert watcher.said == [f"data: synthetic-small, {data.why}", "making synthetic-small"]


def test_synthetic_data_is_made_by_name(small, made):
    assert choose_data("synthetic-full", [small]).name == "synthetic-full"
    assert made == ["synthetic-full"]


def test_synthetic_data_does_not_serve_other_databases(small, made):
    other = small.model_copy(update={"datasets": {"mmew": small.datasets["samm"]}})
    with pytest.raises(MerbenchError, match=r"no reader for mmew yet: protocol small can be printed"):
        choose_data("auto", [other])
    assert made == []


def test_what_made_the_clips_is_part_of_the_datas_digest(small, made):
    data = choose_data("synthetic-small", [small])
    (source,) = data.sources
    digests = {
        Data(data.name, "", (replace(source, reading=replace(source.reading, made_with=made_with)),)).digest(data.clips)
        for made_with in (None, "one", "two")
    }
    assert len(digests) == 3
    assert clips_digest(data.clips) in digests


def test_unregistered_data_is_refused_with_the_next_step(small):
    with pytest.raises(
        MerbenchError, match="'megc2019-flow28' is not registered here: merbench data fetch megc2019-flow28"
    ):
        choose_data("megc2019-flow28", [small])


def test_unknown_data_is_named_with_close_names(small):
    for name in ("megc2019-flow", "megc2019_flow28", "MEGC2019-flow28"):
        with pytest.raises(MerbenchError, match=f"'{name}' .*'megc2019-flow28'"):
            choose_data(name, [small])


def test_folders_without_a_copy_are_refused(small, tmp_path):
    with pytest.raises(DataError, match="looks like none of the known databases"):
        choose_data(str(tmp_path), [small])


def test_missing_copies_are_refused(small, small_release):
    register("megc2019-flow28", small_release)
    small_release.rename(small_release.with_name("moved"))
    with pytest.raises(DataError, match="release, which does not exist: mount it"):
        choose_data("auto", [small])


def test_the_databases_themselves_come_before_a_release(small, small_release, database):
    register("megc2019-flow28", small_release)
    database("full", ["smic-hs", "casme2"])
    assert choose_data("auto", [small]).name == "megc2019-flow28"  # samm is missing: the release serves all
    database("sammframes", ["samm"])
    data = choose_data("auto", [small])
    assert data.name == "full+sammframes"
    assert data.why == "all the protocol's databases are registered"
    assert set(data.clips.dataset) == {"smic-hs", "casme2", "samm"}


def test_missing_databases_are_named(small, database, made):
    database("full", ["smic-hs", "casme2"])
    with pytest.raises(MerbenchError, match=r"no data is registered for samm \(registered: casme2, smic-hs\)"):
        choose_data("auto", [small])
    assert made == []


def test_a_dataset_of_two_databases_must_be_chosen(small, database):
    database("full", ["smic-hs", "casme2", "samm"])
    database("sammframes", ["samm"])
    with pytest.raises(
        MerbenchError, match=r"several registered databases hold samm \(full and sammframes\): say which"
    ):
        choose_data("auto", [small])


def test_own_synthetic_databases_are_used_by_name_only(small, database, made):
    database("mine", ["smic-hs", "casme2", "samm"], synthetic=True)
    assert choose_data("auto", [small]).name == "synthetic-small"
    assert choose_data("mine", [small]).synthetic


def test_synthetic_releases_are_not_taken_for_real_data(small, database):
    database("program", ["smic-hs", "casme2", "samm"], synthetic=True, offers="(Flow(),)")
    try:
        data = choose_data("auto", [small])
    except MerbenchError:
        return
    assert data.synthetic
    assert "synthetic" in data.why


def test_a_release_that_lacks_a_dataset_is_passed_over(small, database, small_release, made):
    database("a-release", ["smic-hs", "casme2"], offers="(Flow(),)")
    assert choose_data("auto", [small]).name == "synthetic-small"
    register("megc2019-flow28", small_release)
    assert choose_data("auto", [small]).name == "megc2019-flow28"


def test_several_databases_may_be_joined_by_plus(small, database):
    database("full", ["smic-hs", "casme2"])
    database("sammframes", ["samm"])
    data = choose_data("sammframes+full", [small])
    assert data.name == "sammframes+full"
    assert len(data.sources) == 2


def test_data_without_a_dataset_is_refused(small, database):
    database("full", ["smic-hs", "casme2"])
    with pytest.raises(MerbenchError, match="data 'full' has no clips of samm; it holds casme2, smic-hs"):
        choose_data("full", [small])


def test_a_dataset_from_two_sources_is_refused(small, small_release, database):
    register("megc2019-flow28", small_release)
    database("full", ["smic-hs", "casme2", "samm"])
    for request in ("megc2019-flow28+full", "full+full"):
        with pytest.raises(MerbenchError, match="casme2, samm, smic-hs twice"):
            choose_data(request, [small])


def test_the_data_must_serve_every_protocol_of_the_grid(small, small_release):
    register("megc2019-flow28", small_release)
    other = ProtocolSpec.model_validate(
        {
            "name": "other",
            "title": "Toy",
            "summary": "A toy.",
            "source": {"text": "tests"},
            "classes": ["a", "b"],
            "datasets": {"mmew": {"title": "Toy", "classes": {}}},
            "folds": "leave-one-subject-out",
        }
    )
    for request in ("auto", "megc2019-flow28"):
        with pytest.raises(MerbenchError, match="no reader for mmew yet: protocol other can be printed"):
            choose_data(request, [small, other])


def test_same_people_are_gathered_from_all_sources(small, database):
    database("full", ["smic-hs", "smic-vis", "casme2"], persons={"smic-hs": "smic", "smic-vis": "smic"})
    database("sammframes", ["samm"], persons={"samm": "samm"})
    data = choose_data("full+sammframes", [small])
    assert same_people(data.sources) == dict.fromkeys(("smic-hs", "smic-vis", "smic-nir"), "smic")


def _named(names, *datasets):
    return [names.get(dataset, dataset) for dataset in datasets]


SMIC_CARDS = [{}, {"smic-vis": "smic-vis"}, {"smic-vis": "mine", "smic-hs": "theirs"}, {"smic-nir": "smic"}]


@pytest.mark.parametrize("persons", SMIC_CARDS, ids=str)
def test_the_cameras_of_smic_show_the_same_people(small, database, persons):
    database("cameras", ["smic-hs", "smic-vis", "smic-nir"], persons=persons)
    database("others", ["samm", "casme2"], persons={"samm": "lab"})
    names = same_people(choose_data("cameras+others", [small]).sources)
    assert len(set(_named(names, "smic-hs", "smic-vis", "smic-nir"))) == 1
    assert len(set(_named(names, "smic-hs", "samm", "casme2"))) == 3


def test_families_that_share_people_are_of_known_same_people():
    pairs = {frozenset(spec.datasets) for name, spec in PROTOCOLS.load_all()[0].items() if spec.shares_people}
    assert set().union(*pairs) == {*SAME_PEOPLE, *SAME_PEOPLE.values()}


def test_a_card_may_name_the_dataset_that_its_people_are_of(small, database):
    database("full", ["smic-hs", "casme2", "samm"], persons={"smic-hs": "again"})
    database("long", ["samm-lv", "smic-long"], persons={"samm-lv": "samm", "smic-long": "smic-vis"})
    names = same_people(choose_data("full+long", [small]).sources)
    assert len(set(_named(names, "samm-lv", "samm"))) == 1
    assert len(set(_named(names, "smic-long", "smic-hs", "smic-vis"))) == 1


def test_other_cameras_do_not_train_on_the_people_who_are_tested(database):
    database("cameras", ["smic-hs", "smic-vis"])
    spec = crossed("lodo:smic-hs+smic-vis")
    data = choose_data("cameras", [spec])
    with pytest.raises(DataError, match="fold smic-hs has no clip to be trained on"):  # both show person 1 alone
        PreparedProtocol.of(spec, data)


def test_broken_databases_affect_no_other(small, small_release, database):
    register("megc2019-flow28", small_release)
    database("broken", ["samm"], content="raise ImportError('no such luck')", registered=False)
    assert choose_data("auto", [small]).name == "megc2019-flow28"
    assert choose_data(str(small_release), [small]).name == "megc2019-flow28"


def test_releases_of_classes_serve_protocols_of_the_same_emotions():
    card = DATABASES.get("megc2019-flow28").card
    able = {name for name, spec in PROTOCOLS.load_all()[0].items() if serves(card, spec)}
    assert {"megc2019", "casme2-3", "samm-3", "smic-hs-3"} <= able
    assert serves(card, crossed("cross:casme2+samm->smic-hs"))  # its words are those of MEGC 2019
    # Fear and sadness are no negative clips of the release, and repression is: not so in these.
    assert able.isdisjoint({"cdmer-c-h", "cdmer-h-c", "casme2-3-fear-sadness", "casme2-4"})
    assert able.isdisjoint({"casme2-5", "samm-7", "megc2018-cde", "mmew-6", "cdmer-c-v", "casme2-au", "cd6me"})
    assert serves(DATABASES.get("samm").card, PROTOCOLS.get("samm-7"))
