"""Protocols on the command line: listed, printed, made from names, checked, run and labelled."""

import json
import re
from pathlib import Path

import pytest
from support.cases import matches, says

from merbench.engine.plan.catalogue import PROTOCOLS


@pytest.fixture
def mine(small_protocol):
    """Return a function that rewrites the small protocol and gives its path."""

    def change(*swaps: tuple[str, str], more: str = "") -> str:
        text = small_protocol.read_text()
        for old, new in swaps:
            assert old in text
            text = text.replace(old, new)
        small_protocol.write_text(text + more)
        return str(small_protocol)

    return change


FOLDS = "folds: leave-one-subject-out"
LODO = "folds: leave-one-database-out"
SAMM = "fear, sadness], positive: [happiness]"  # of the line of its classes


MADE = """
    from merbench.databases.releases.megc2019_flow28 import DATABASE as RELEASE

    class Made(type(RELEASE)):
        card = RELEASE.card.model_copy(update={"name": "made-flow", "synthetic": True, "download": None, "labels": {}})

    DATABASE = Made()
    """


def test_every_protocol_is_listed_those_of_a_family_in_one_line(done):
    lines = done("protocols").splitlines()
    names = [line.split()[0] for line in lines if line.strip()]
    assert names.count("cdmer-*") == 1
    assert {name for name in PROTOCOLS.names() if not name.startswith("cdmer-")} < set(names)
    (family,) = (line for line in lines if line.startswith(" cdmer-*"))
    says(family, "24 protocols | such as cdmer-")
    assert not [line for line in lines if line.startswith(" No reader")]  # every protocol that ships has one
    # The synthetic databases hold two of the family's four databases.
    assert "cdmer-* (4 of" in " ".join(done("data", "list").split())


def test_a_protocol_is_printed_with_all_that_it_says(done):
    said = done("protocols", "cdmer-h-v")
    says(said, "1812.07742 | @article{zong2018cdmer | rule: hold-out | smic-hs: 164")
    says(said, "warnings:\n- 'people are shared between training and test: VIS and NIR are")
    said = done("protocols", "casme2-3")
    assert "warnings" not in said
    says(said, "its apex is '/' in the annotation sheet | clips: 145")
    assert "- smic-hs\n" in done("protocols", "cross:casme2+samm->smic-hs")


def test_protocols_without_reader_and_with_mistakes_are_one_line(all_refused, refused, mine, done):
    says(done("protocols", mine(("  samm:", "  elsewhere:"))), "no_reader_yet:\n- elsewhere")
    mine(("  elsewhere:", "  samm:"))
    all_refused("run svm-flow -p dfme-7 | run svm-flow -p cdmer-c-v --data synthetic-small")
    refused("run", "majority", "-p", "cross:samm+samm->casme2")
    said = refused("run", "majority", "-p", mine(("  samm:", "  sam:")))
    look = said.partition("(merbench ")[2].partition(")")[0]
    assert done(*look.split()).startswith("name: small\n")
    refused("run", "majority", "-p", mine(("  sam:", "  dfme:")))
    refused("check-protocol", mine((SAMM, SAMM.replace("[happiness]", "[happiness, anger]"))))


def test_check_protocol_shows_clips_classes_folds_and_singletons(registered, mine, done):
    said = done("check-protocol", mine(more="expected: {clips: 24, subjects: 9}\n"))
    says(said, "data: megc2019-flow28 | 9 folds: 2 to 3 test clips")
    assert [line.split() for line in said.splitlines() if line.strip().startswith(("casme2 ", "all "))] == [
        ["casme2", "8", "3", "3", "3", "2"],
        ["all", "24", "9", "9", "9", "6"],
    ]
    assert said.splitlines()[-1] == "agrees with the protocol's counts of clips, subjects"
    assert "1 fold: 8 test clips, 16 training clips" in done("check-protocol", "cross:casme2+samm->smic-hs")


def test_check_protocol_prints_every_column_into_a_pipe(registered, mine, done, monkeypatch):
    monkeypatch.delenv("COLUMNS")
    path = mine(("surprise]", "surprise, " + ", ".join(f"a-class-with-a-long-name-{n}" for n in range(9)) + "]"))
    text = Path(path).read_text()
    Path(path).write_text(re.sub(r"classes: \{.*\}", "classes: {}", text))  # all classes by their names
    heads, *_, counts = [
        line.split() for line in done("check-protocol", path).splitlines() if re.search(" Subj|^ all ", line)
    ]
    assert (heads[:4], heads[-1]) == (["Dataset", "Clips", "Subjects", "negative"], "a-class-with-a-long-name-8")
    assert counts == ["all", "24", "9", "9", "9", "6", *["0"] * 9]
    monkeypatch.setenv("COLUMNS", "40")  # as wide as asked for, in panels
    narrow = done("check-protocol", path)
    assert set(heads) <= set(narrow.split())
    assert max(len(line) for line in narrow.splitlines() if re.match(r" \S", line)) <= 40


def test_check_protocol_says_what_was_held_against_what(registered, mine, tmp_path, done, offer):
    rows = done("check-protocol", mine(), "--clips").splitlines()
    listing = [row.replace("/", ",").replace(" ", ",") for row in rows if row.count("/") == 2 and row.count(" ") == 1]
    (tmp_path / "list.csv").write_text("\n".join(["dataset,subject,clip,class", *listing]), encoding="utf-8")
    path = mine(more="official_list: list.csv\n")
    assert done("check-protocol", path).splitlines()[-1] == "agrees with every clip and class of list.csv"
    offer("[merbench.databases]\nmade-flow = MODULE:DATABASE\n", {"__init__.py": MADE})
    done("data", "add", "made-flow", registered)
    said = done("check-protocol", mine(more="expected: {clips: 0}\n"), "--data", "made-flow")
    assert said.count("data: made-flow") == 1
    assert said.splitlines()[-2:] == [
        "differs, as synthetic data may: 24 clips instead of 0",
        "not compared with list.csv: it lists real clips, the data is synthetic",
    ]


def test_check_protocol_names_exclusions_and_lone_subjects(registered, mine, done):
    more = (
        "left_out:\n  - {dataset: samm, clips: [011/011_1_1, 006/006_2_1, 006/006_3_1, 006/006_9_9], reason: why}\n"
        "  - {dataset: samm, emotions: [other], reason: no valence}\n"
    )
    said = done("check-protocol", mine(more=more), "--clips")
    each = "011/011_1_1 (1), 006/006_2_1 (1), 006/006_3_1 (1), 006/006_9_9 (0)"
    says(said, f"excluded (3): samm {each}: why\nexcluded (0): samm other: no valence\n")
    says(said, *(f"2 subjects have {what}: samm/006, samm/011" for what in ("one clip", "clips of one class only")))
    taken = said.partition(" folds: ")[2]
    assert "samm/006/006_1_1 negative" in taken
    assert "samm/011/011_1_1" not in taken
    assert said.splitlines()[-1] == "the protocol expects no counts: nothing was compared"
    note = "note: left_out of small names clips that the data does not have: samm/006/006_9_9\n"
    run = ("run", "majority", "-p", mine(), "--dry-run")
    assert note in done(*run)
    mine(more="expected: {clips: 21}\n")
    assert note not in done(*run)


def test_check_protocol_refuses_what_run_would_and_says_why(registered, mine, merbench, refused):
    path = mine(more="expected: {clips: 25, classes: {surprise: 7}}\n")
    said = merbench("check-protocol", path)
    assert said.code == 2
    assert said.err == (
        "error: protocol small would not run: 24 clips instead of 25, 6 clips of class surprise instead of 7; --clips "
        "lists every clip\n"
    )
    assert "9 folds" in said.out  # the rest is shown all the same
    assert merbench("check-protocol", path, "--clips").err.endswith("class surprise instead of 7\n")
    refused("run", "majority", "-p", path)


def test_excluding_a_whole_dataset_is_refused(registered, mine, merbench, refused):
    clips = [f"{s}/{s}_{c}_01" for s in ("s06", "s07", "s11") for c in ("ne", "po", "sur")]
    more = f"left_out: [{{dataset: smic-hs, clips: [{', '.join(clips)}], reason: why}}]\n"
    path = mine((FOLDS, LODO), more=more)
    said = merbench("check-protocol", path)
    assert (said.code, "excluded (8): smic-hs" in said.out) == (2, True)  # the rest is shown all the same
    assert said.err.startswith("error: protocol small would not run: protocol small leaves out every clip of smic-hs")
    refused("run", "majority", "-p", path)


def test_subject_dependent_results_say_so_in_every_table(registered, mine, done):
    why = "subject-dependent: other clips of the tested person are in training"
    said = done("run", "majority", "--protocol", mine((FOLDS, "folds: leave-one-video-out")))
    says(said, f"warning: small: {why}", "small on megc2019-flow28, subject-dependent (protocol")
    for kind in ("table", "md", "latex"):
        says(done("compare", "--format", kind), "subject-dependent (protocol | subject-dependent: other clips of the")
    assert all(row["warnings"] for row in json.loads(done("compare", "--format", "json")))
    assert "subject-dependent" in done("compare", "--format", "csv")
    assert "warning: subject-dependent" in done("show", "majority")


def test_a_source_and_a_target_are_run_by_name(registered, done):
    run = ("run", "majority", "svm-flow", "-p", "cross:casme2+samm->smic-hs")
    assert "cross-casme2.samm-to-smic-hs on megc2019-flow28" in done(*run)
    (row, _) = json.loads(done("compare", "-p", "cross:samm+casme2->smic-hs", "--format", "json"))
    assert (row["part"], row["folds"], row["clips"]) == ("full", 1, 8)
    assert "nothing to do" in done(*run)


def test_transductive_methods_need_a_transductive_protocol(registered, mine, refused, done, toy, offer):
    toy("peeker", card="transductive: true\n")
    refused("run", "peeker", "-p", mine())
    assert "9/9 folds" in done("run", "peeker", "-p", mine(more="transductive: true\n"))
    offer("[merbench.databases]\nmade-flow = MODULE:DATABASE\n", {"__init__.py": MADE})
    done("data", "add", "made-flow", registered)
    on = ("--data", "made-flow", "--dry-run")
    refused("run", "peeker", "-p", "cdmer-c-h", *on)
    done("run", "peeker", "-p", "cdmer-c-h-transductive", *on)


def test_check_protocol_counts_clips_removed_from_training(registered, mine, done, monkeypatch):
    path = mine((FOLDS, LODO))
    alike = {"casme2/sub06": "one", "samm/006": "one"}  # 3 clips each

    def same(clips, aliases):
        names = clips.dataset + "/" + clips.subject
        return names.map(lambda name: alike.get(name, name)).to_numpy(dtype=object)

    monkeypatch.setattr("merbench.splits.folds.persons", same)
    monkeypatch.setattr("merbench.splits.examine.persons", same)
    said = done("check-protocol", path)
    assert "3 folds: 8 test clips (" not in said
    says(said, "3 folds: 8 test clips, 13 to 16 training clips")
    matches(said, "clips of tested people, excluded from training: 0 to 3 per fold$")
