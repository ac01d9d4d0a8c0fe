import json

import pytest


@pytest.fixture
def kept(done, small):
    """Run a net that keeps its epochs, for three epochs, and a method that has none."""
    done("run", "ststnet", *small, "--config", "quick", "--set", "epochs=3", "--keep-epochs")
    done("run", "majority", *small, "--keep-epochs")
    return small


@pytest.mark.slow
def test_audit_compares_selection_rules(kept, merbench, refused, tmp_path):
    said = merbench("audit", "ststnet", *kept, "--out", "audit")
    assert (said.code, said.err) == (0, "")
    for words in ("24 clips, 9 folds, 3 epochs, seed 0", "never ranked", "last epoch", "of ties", "wrote audit"):
        assert words in said.out
    assert f"{' '.join(kept)} --data megc2019-flow28 --config quick --set epochs=3 --select inner" in said.out
    written = sorted(path.name for path in (tmp_path / "audit").iterdir())
    assert written == ["audit.csv", "audit.json", "audit.md", "audit.png"]

    said = merbench("audit", "ststnet", *kept, "--json")
    assert said.code == 0
    assert json.loads(said.out) == json.loads((tmp_path / "audit" / "audit.json").read_text(encoding="utf-8"))

    told = refused("audit", "majority", *kept)
    assert "majority does not report epochs" in told
    told = refused("audit", "ststnet", *kept, "--config", "quick", "--set", "epochs=4")
    assert told.endswith("--config quick --set epochs=4 --keep-epochs")
    assert "with these settings" in told
    told = refused("audit", "ststnet", *kept, "--results", "elsewhere")
    assert told.endswith("--keep-epochs --results elsewhere")
    assert "24 clips, 9 folds, 3 epochs" in merbench("audit", "ststnet", *kept, "--set", "epochs=3").out
    assert "with these settings" in refused("audit", "ststnet", *kept, "--set", "epochs=4")
    assert "epochs: " in refused("audit", "ststnet", *kept, "--set", "epochs=many")
    assert "with data nowhere" in refused("audit", "ststnet", *kept, "--data", "nowhere")


def test_wrong_arguments_of_audit_are_refused(refused):
    for words in (
        ["ststnt", "-p", "megc2019"],
        ["ststnet", "-p", "megc2091"],
        ["ststnet", "-p", "mine.yaml"],
        ["ststnet"],
        ["medn", "-p", "cd6me"],
        ["medn", "-p", "megc2019"],
        ["svm-flow", "-p", "megc2019"],
        ["ststnet", "-p", "megc2019", "--set", "epochs"],
    ):
        refused("audit", *words)


def test_audit_reads_the_leaderboard_where_nothing_is_recorded(done):
    text = done("audit", "ststnet", "--protocol", "megc2019")
    assert "442 clips, 68 folds, 800 epochs" in text
    assert ".7001" in text
