"""``--sanity`` on the command line: announced before, run after, shown beneath, only if asked for."""

import json
import re

import pytest
from support.cases import says

SANITY = ["stratified-random", "database-only", "database-only (balanced)", "duration-only", "onset-frame-only",
          "majority (labels shuffled)"]  # fmt: skip


@pytest.fixture
def frames(done, tmp_path, miniature, small_protocol):
    """Register three databases in miniature, with frames; return the options of a run on them."""
    rows = [*miniature.CASME2_ROWS[:4:3], miniature.CASME2_ROWS[1]]
    casme2 = miniature.write_casme2(tmp_path / "c", rows, tree="Cropped", prefix="reg_img")
    done("data", "add", "casme2", casme2)
    done("data", "add", "samm", miniature.write_samm(tmp_path / "s", miniature.SAMM_ROWS[:3], tree="SAMM_CROP"))
    smic = miniature.write_smic(tmp_path / "m", tree="SMIC_all_cropped/HS", prefix="reg_image")
    done("data", "add", "smic-hs", smic)
    return "--protocol", str(small_protocol)  # fmt: skip


def labels(text):
    """Return rank and method of each row of a table."""
    return re.findall(r"^ (\d|–) +([a-z][a-z-]+(?: \([a-z ]+\))?) +†?[\d.]+ ", text, re.MULTILINE)


@pytest.mark.slow
def test_from_run_to_compare_with_every_sanity_row(done, frames):
    said = done("run", "majority", *frames, "--sanity")
    told = "sanity rows, run after the methods: stratified-random, database-only, database-only balanced, "
    told += "duration-only, onset-frame-only, majority labels shuffled"
    assert said.index(told) < said.index("majority seed 0: ")
    assert labels(said)[0] == ("1", "majority")
    assert sorted(labels(said)[1:]) == sorted(("–", name) for name in SANITY)
    assert "Sanity rows, not ranked" in said

    assert labels(done("compare")) == [("1", "majority")]
    assert [row["sanity"] for row in json.loads(done("compare", "-f", "json"))] == [False] * 4
    compared = json.loads(done("compare", "--sanity", "--format", "json"))
    found = {(r["method"], r["config"], r["variant"]) for r in compared if r["part"] == "full" and r["sanity"]}
    floors = [(name, "default", "") for name in SANITY if " " not in name]
    shuffled = ("majority", "default", "labels shuffled")
    assert found == {*floors, ("database-only", "balanced", ""), shuffled}
    assert {r["p_best"] for r in compared} == {None}
    assert {r["status"] for r in compared} == {"complete"}
    assert "not recorded" not in done("compare", "--sanity")


def test_rows_that_a_release_can_not_have_are_named_and_none_is_submitted(done, refused, small, recorded):
    said = done("run", "svm-flow", *small, "--sanity")
    says(said, "sanity row duration-only is not available: ", "sanity row onset-frame-only is not available: ")
    assert [rank for rank, _ in labels(said)] == ["1", "2"] + ["–"] * 4  # the floor, majority, is ranked
    assert labels(done("compare")) == [("1", "svm-flow"), ("2", "majority")]
    beneath = done("compare", "--sanity", "svm-flow")
    assert labels(beneath)[0] == ("1", "svm-flow")
    assert ("–", "svm-flow (labels shuffled)") in labels(beneath)
    run = next(recorded.glob("svm-flow-small-shuffled-s0-*")).name
    assert "shuffled labels" in done("show", run, "--no-figures")
    refused("submit", run, "--to", "board")


def test_missing_rows_come_with_their_command(done, small, recorded):
    said = done("compare", "svm-flow", "--sanity")
    (line,) = [line for line in said.splitlines() if "not recorded" in line]
    assert line.endswith(
        ": merbench run svm-flow --protocol FILE --data megc2019-flow28 --sanity (FILE: the file or pattern of small)"
    )
    assert "duration-only" not in line
    assert "small: sanity row duration-only is not available: input 'facts'" in said
    assert "not recorded" not in done("compare", "svm-flow")
