"""``merbench data``: from a database's own folders to inputs in the store, and what is said on the way."""

import cv2
import numpy as np
import pytest
from support.cases import matches, says

from merbench.cli.data.verify import binding
from merbench.engine.plan.catalogue import PROTOCOLS

pytestmark = pytest.mark.usefixtures("quick_flow")

PROTOCOL = """\
name: tiny
title: Tiny
summary: Two classes on three databases, for however few clips.
source: {text: made for the tests}
classes: [negative, other]
datasets:
  casme2: {title: CASME II, classes: {negative: [disgust, repression, sadness], other: [happiness, surprise, others]}}
  samm: {title: SAMM, classes: {negative: [contempt, disgust], other: [happiness, other]}}
  smic-hs: {title: SMIC, classes: {negative: [negative], other: [positive, surprise]}}
folds: leave-one-subject-out
"""


@pytest.fixture
def copies(miniature, tmp_path):
    """Write a small cropped copy of each of the three databases; return name -> folder."""
    return {
        "casme2": miniature.write_casme2(
            tmp_path / "c", [*miniature.CASME2_ROWS[:3:2], miniature.CASME2_ROWS[4]], tree="Cropped", prefix="reg_img"
        ),
        "samm": miniature.write_samm(tmp_path / "s", miniature.SAMM_ROWS[1:3], tree="SAMM_CROP"),
        "smic-hs": miniature.write_smic(
            tmp_path / "m", miniature.SMIC_CLIPS[:3], tree="SMIC_all_cropped/HS", prefix="reg_image"
        ),
    }


@pytest.fixture
def added(copies, done):
    """Register them."""
    for name, folder in copies.items():
        done("data", "add", name, folder)
    return copies


@pytest.fixture
def tiny(tmp_path):
    """Write the protocol and return the options of a run under it."""
    path = tmp_path / "tiny.yaml"
    path.write_text(PROTOCOL, encoding="utf-8")
    return ("--protocol", path)


def test_adding_a_database_prints_layout_and_corrections(done, copies):
    said = done("data", "add", "casme2", copies["casme2"])
    says(said, "casme2: cropped frames in Cropped, sheet CASME2-coding-20140508.xlsx | 3 clips, 3 subjects")
    says(said, "(1): the sheet has no apex | merbench data verify casme2 lists the clips")
    assert "replaces" not in done("data", "add", "casme2", copies["casme2"])
    other = copies["casme2"].rename(copies["casme2"].with_name("other"))
    says(done("data", "add", "casme2", other), f"note: this replaces {copies['casme2']}; merbench data add casme2 PATH")


def test_verify_names_clips_by_reason_differences_and_broken_pictures(merbench, added):
    said = merbench("data", "verify", "casme2")
    assert said.code == 2  # made-up clips are not the official ones
    matches(said.out, r"corrected \(1\): the sheet has no apex.*\n  casme2/sub02/EP26_02_01: 12 in 10 to 15")
    says(said.out, "note (1): the apex is the onset\n  casme2/sub03/EP21_2")
    says(said.out, "megc2019, its part of casme2:  | 145 missing: casme2/sub01/EP02_01f, ")
    assert "not in the official list: casme2/sub01/EP21_01f" in said.out
    names = "casme2-3, casme2-3-fear-sadness, casme2-4, casme2-5, casme2-5-246, casme2-7, casme2-au, megc2019"
    assert f"this copy does not have what {names} expect: run refuses it" in said.out
    image = next(added["smic-hs"].rglob("*sur_51/reg_image000009.bmp"))
    image.write_bytes(image.read_bytes()[:60])
    said = merbench("data", "verify", "smic-hs")
    assert f"unreadable: {image}, a frame of smic-hs/s03/s03_sur_51, is not a readable picture" in said.out
    assert said.code == 2


def test_counts_bind_where_a_protocol_is_of_this_database_alone_and_no_version_of_its_sheet_fits():
    specs = PROTOCOLS.load_all()[0]

    def differing(held, **agrees):
        return binding([(specs[name.replace("_", "-")], value) for name, value in agrees.items()], {held})

    assert differing("casme2", casme2_5=False, casme2_5_246=True, cd6me=False, casme2_7=None) == []  # the sheet of 2014
    assert differing("casme2", casme2_5=True, casme2_5_246=False, casme2_7=False) == ["casme2-7"]
    assert differing("casme2", casme2_5=False, casme2_5_246=False, megc2019=False) == [
        "casme2-5", "casme2-5-246", "megc2019"
    ]  # fmt: skip
    assert differing("casme3", casme3_7=False, casme3_3=True) == ["casme3-7"]


def test_corrections_can_be_switched_off_for_good(done, merbench, copies, home):
    done("data", "add", "samm", copies["samm"], "--no-corrections")
    assert '"corrections": false' in (home / "databases.json").read_text()
    assert "known errors of the annotation sheet are not corrected" in merbench("data", "verify", "samm").out


def test_a_database_can_be_forgotten_and_stays_on_the_disk(done, refused, added):
    assert f"{added['samm']} is unchanged" in done("data", "remove", "samm")
    refused("data", "verify", "samm")
    refused("data", "remove", "samm")
    assert added["samm"].is_dir()


@pytest.mark.slow
def test_prepared_inputs_serve_a_run(done, added, tiny, home, monkeypatch):
    monkeypatch.setenv("COLUMNS", "500")  # so that no cell is broken
    said = done("data", "prepare", "--for", "svm-flow")
    assert "casme2: flow(onset-apex, 28, u/v/strain, tvl1, clip) is ready for 3 clips" in said
    assert len(list((home / "store").glob("*/flow-[!f]*/*.npy"))) == 8  # and as many fields, which inputs share
    said = done("run", "svm-flow", *tiny)
    assert said.splitlines()[0] == "data: casme2+samm+smic-hs, all the protocol's databases are registered"
    assert said.count("faces as delivered") == 3
    assert " clips/s" not in said
    assert "svm-flow seed 0: 7/7 folds" in said
    assert "nothing to do" in done("run", "svm-flow", *tiny)
    assert "prepared flow(onset-apex, 28, u/v/strain, tvl1, clip, faces=delivered): 3" in done("data", "list")


def test_the_store_is_listed_and_unusable_inputs_are_pruned(done, added, home):
    done("data", "prepare", "smic-hs", "--for", "svm-flow")
    kept = sorted((home / "store").glob("smic-hs/*/*.npy"))
    assert len(kept) == 2 * 3  # each clip, and the flow of its pair
    assert "can't be used" not in done("data", "list", "--store")
    added["smic-hs"].rename(added["smic-hs"].with_name("unmounted"))
    assert "can't be read now: kept" in done("data", "list", "--store")
    assert "removed 0 arrays" in done("data", "list", "--store", "--prune")
    added["smic-hs"].with_name("unmounted").rename(added["smic-hs"])
    changed = next(added["smic-hs"].rglob("s1_ne_51/*100.bmp"))
    changed.touch()
    assert "2 arrays are unusable for the registered copies" in done("data", "list", "--store")
    assert "removed 2 arrays" in done("data", "list", "--store", "--prune")
    assert len(set(kept) & set((home / "store").glob("smic-hs/*/*.npy"))) == 4
    (home / "databases.json").unlink()
    assert "its database is not registered" in done("data", "list", "--store")
    done("data", "list", "--store", "--prune")
    assert list((home / "store").rglob("*.npy")) == []


@pytest.mark.slow
def test_clips_without_a_face_are_named_and_others_kept(refused, miniature, tmp_path, tiny, done):
    miniature.write_casme2(tmp_path / "c")  # whole frames, which show no face
    miniature.write_samm(tmp_path / "s", tree="SAMM_CROP")
    miniature.write_smic(tmp_path / "m", tree="SMIC_all_cropped/HS")
    for name, folder in (("casme2", "c"), ("samm", "s"), ("smic-hs", "m")):
        done("data", "add", name, tmp_path / folder)
    refused("run", "svm-flow", *tiny)


def picture(path):
    return cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)


def test_a_contact_sheet_shows_a_clip_or_the_channels_of_a_release(done, refused, copies, registered, tmp_path):
    for words in ((), ("megc2019-flow28",)):
        refused("data", "prepare", *words)  # which needs a database of frames
    done("data", "add", "casme2", copies["casme2"])
    assert "clip.png: 1 clip of casme2" in done("data", "show", "casme2", "sub01/EP21_01f", "--out", "clip.png")
    assert picture(tmp_path / "clip.png").shape[1] == 8 * 144
    done("data", "show", "megc2019-flow28")
    assert picture(tmp_path / "megc2019-flow28.png").std() > 10


def test_wrong_arguments_of_data_are_refused(all_refused, refused, added, tmp_path):
    show = """casme2 EP99_01 | casme2 sub01/EP21_01 | nothing | casme2 --out clip.jpg |
        casme2 --out no/such/folder/clip.png"""
    all_refused("|".join(f"data show {words}" for words in show.split("|")))
    made = "tiny | small --table vague | small --colour red | small --strength 2 | small --pixels 5 | small --seed 3"
    made += " | --layout casme9 | --layout casme3 | --frames 3 | --layout all --table ambiguous --out no"
    all_refused("|".join(f"data synthesize {words}" for words in made.split("|")))
    all_refused("data list --prune")
    # A folder that holds something else is never written into.
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")
    refused("data", "synthesize", "--out", tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir() if path.name != ".lock"] == ["thesis.txt"]
