"""Action units from run to table: two methods on a release that knows them, against a straight-line computation."""

import csv
import io
import json

import pytest
from support.cases import says

# Classes of the small release as they are coded; the channel that a class brightens tells these units apart.
CODED = {"negative": "4", "positive": "6+12", "surprise": "1+2+L4?"}
UNKNOWN = ("casme2/sub07/EP01_01f", "?")  # nothing is known of this clip
UNITS = (4, 12, 2, 9)  # no clip shows AU9

RELEASE = f"""
    from dataclasses import replace

    from merbench.contracts.action_units import read_coding
    from merbench.contracts.clips import clip_names
    from merbench.databases.releases.megc2019_flow28 import DATABASE as RELEASE

    CODED, UNKNOWN = {CODED!r}, {UNKNOWN!r}

    class Coded(type(RELEASE)):
        card = RELEASE.card.model_copy(update={{"name": "coded-flow", "labels": {{}}, "download": None}})

        def read(self, folder, corrections=True):
            reading = super().read(folder, corrections)
            coding = dict(zip(clip_names(reading.clips), reading.clips.emotion.map(CODED))) | dict([UNKNOWN])
            aus = [read_coding(coding[name]) for name in clip_names(reading.clips)]
            return replace(reading, clips=reading.clips.assign(aus=aus))

    DATABASE = Coded()
    """

PROTOCOL = f"""
name: small-au
title: Small, action units
summary: Two databases, for however few clips.
source: {{text: made for the tests}}
task: au-detection
units: {list(UNITS)}
datasets:
  casme2: {{title: CASME II}}
  samm: {{title: SAMM}}
folds: leave-one-subject-out
"""


@pytest.fixture
def coded(offer, small_release, done, tmp_path):
    """Register a release with action units, and return the options of a run on it."""
    offer("[merbench.databases]\ncoded-flow = MODULE:DATABASE\n", {"__init__.py": RELEASE})
    done("data", "add", "coded-flow", small_release)
    (tmp_path / "small-au.yaml").write_text(PROTOCOL, encoding="utf-8")
    return ("--protocol", "small-au.yaml", "--data", "coded-flow")


def f1(rows, unit):
    """Compute binary F1 from exported rows; clips of which the unit is not known count neither way, 0 / 0 is 0."""
    tp = fp = fn = 0
    for row in rows:
        truth, said = row[f"truth_{unit}"], float(row[f"score_{unit}"]) > 0
        if truth != "":
            shown = int(float(truth)) == 1
            tp, fp, fn = tp + (shown and said), fp + (said and not shown), fn + (shown and not said)
    return 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 0.0


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def test_action_units_are_detected_compared_shown_and_exported(coded, done, refused):
    assert "small-au on coded-flow" in done("run", "always-shown", "svm-flow-aus", *coded)
    table = json.loads(done("compare", "--format", "json"))
    assert {row["task"] for row in table} == {"au-detection"}
    assert {row["method"]: row["family"] for row in table} == {"always-shown": "floor", "svm-flow-aus": "classical"}
    figures = {(row["method"], row["part"]): row for row in table}
    for method in ("always-shown", "svm-flow-aus"):
        rows = list(csv.DictReader(io.StringIO(done("export", f"{method}-small-au"))))
        assert len(rows) == 16
        held = {name: [row for row in rows if row["dataset"] == name] for name in ("casme2", "samm")}
        by_dataset = {name: mean(f1(its, unit) for unit in UNITS) for name, its in held.items()}
        expected = {"full": mean(f1(rows, unit) for unit in UNITS), "mean": mean(by_dataset.values()), **by_dataset}
        for part, value in expected.items():
            assert figures[method, part]["uf1"] == pytest.approx(value, abs=1e-9), (method, part)
        shown = done("show", f"{method}-small-au", "--no-figures")
        for unit in UNITS:
            (line,) = (line.split() for line in shown.splitlines() if line.split()[:1] == [f"AU{unit}"])
            assert float(line[3]) == pytest.approx(f1(rows, unit), abs=5.1e-5), (method, unit)
    # Of 15 coded clips 5 show AU4 (in 4 it is doubtful), 6 AU12, 4 AU2, none AU9; F1 of p in n is 2 p / (p + n).
    floor = mean([2 * 5 / (5 + 11), 2 * 6 / (6 + 15), 2 * 4 / (4 + 15), 0])
    assert figures["always-shown", "full"]["uf1"] == pytest.approx(floor)
    assert figures["svm-flow-aus", "full"]["uf1"] > floor + 0.2
    text = done("compare", "--format", "md")
    says(text, "Full F1 | Mean of databases F1 | CASME II F1 | small-au on coded-flow")
    says(text, "action units that no clip shows count as 0 in F1 and are excluded from UAR: 1 of 4 in Full")
    says(text, "Significance is not tested for action units.")
    refused("explain", "svm-flow-aus", "always-shown")


def test_figures_of_action_units_fit_any_width(coded, done, monkeypatch, tmp_path):
    path = tmp_path / "small-au.yaml"
    path.write_text(PROTOCOL.replace("title: SAMM", f"title: {'A long title ' * 4}"), encoding="utf-8")
    done("run", "always-shown", *coded)
    monkeypatch.delenv("COLUMNS")
    table = {row["part"]: row for row in json.loads(done("compare", "--format", "json"))}
    shown = done("show", "always-shown-small-au", "--no-figures")
    assert "…" not in shown
    (line,) = (line.split() for line in shown.splitlines() if line.startswith(" Mean of databases "))
    assert float(line[3]) == pytest.approx(table["mean"]["uf1"], abs=5.1e-5)
    assert line[-2:] == ["16", "3"]  # no clip shows AU9
