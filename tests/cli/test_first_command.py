"""The README's first command on a machine with nothing registered, as it stands there."""

import json
import re
from pathlib import Path

import pytest
from support.cases import says

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.slow
def test_the_first_command_ends_with_a_table(done):
    (command,) = re.findall(r"```sh\npip install uv\nuv run merbench (.*)\n```", README.read_text(encoding="utf-8"))
    said = done(*command.split())
    first, *_ = said.splitlines()
    assert first.startswith("data: synthetic-small, synthetic, since no database")
    says(said, "making synthetic-small: 100/100 clips | medn small seed 0: 12/12 folds | medn (small): reconstruction")
    says(said, "configuration medn:small, no GPU found; --config medn:full is for GPUs | synthetic data")
    again = done(*command.split())
    assert "nothing to do: all 12 folds of 1 run are recorded" in again
    assert "making" not in again
    rows = json.loads(done("compare", "--protocol", "megc2019", "--format", "json", "--no-published"))
    assert {(row["data"], row["synthetic"], row["status"]) for row in rows} == {("synthetic-small", True, "complete")}
    assert {row["part"]: row["clips"] for row in rows}["full"] == 100
    listed = done("data", "list")
    assert "100 clips, 12 subjects" in listed
    assert "prepared flow(onset-apex, 28" in listed


@pytest.mark.slow
def test_synthetic_data_of_other_settings_has_its_own_name(done):
    said = done("data", "synthesize", "small", "--pixels", "96", "--strength", "0.5", "--out", "made")
    says(said, "synthetic-small-strength0.5-pixels96: 100 clips, 12 subjects in  | made; use it with --data ")
    said = done("run", "majority", "--protocol", "megc2019", "--data", "made")
    assert said.startswith("data: synthetic-small-strength0.5-pixels96, the folder made, a copy of synthetic-small")
    rows = json.loads(done("compare", "--protocol", "megc2019", "--format", "json", "--no-published"))
    assert {(row["data"], row["synthetic"]) for row in rows} == {("synthetic-small-strength0.5-pixels96", True)}
