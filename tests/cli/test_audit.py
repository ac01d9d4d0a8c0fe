import json

import pytest
from support.cases import says


@pytest.fixture
def kept(done, small):
    """Run a net that keeps its epochs, for three epochs, and a method that has none."""
    done("run", "ststnet", *small, "--config", "quick", "--set", "epochs=3", "--keep-epochs")
    said = done("run", "majority", *small, "--keep-epochs").splitlines()
    assert said.count("method majority has no epochs, so --keep-epochs stores none") == 1
    return small


@pytest.mark.slow
def test_audit_compares_selection_rules(kept, merbench, all_refused, tmp_path):
    said = merbench("audit", "ststnet", *kept, "--out", "audit")
    assert (said.code, said.err) == (0, "")
    says(said.out, "24 clips, 9 folds, 3 epochs, seed 0 | never ranked | last epoch | of ties | wrote audit")
    says(said.out, f"{' '.join(kept)} --data megc2019-flow28 --config quick --set epochs=3 --select inner")
    written = sorted(path.name for path in (tmp_path / "audit").iterdir())
    assert written == ["audit.csv", "audit.json", "audit.md", "audit.png"]

    said = merbench("audit", "ststnet", *kept, "--json")
    assert said.code == 0
    assert json.loads(said.out) == json.loads((tmp_path / "audit" / "audit.json").read_text(encoding="utf-8"))

    assert "24 clips, 9 folds, 3 epochs" in merbench("audit", "ststnet", *kept, "--set", "epochs=3").out
    lines = """majority | ststnet --config quick --set epochs=4 | ststnet --results elsewhere | ststnet --set epochs=4 |
        ststnet --set epochs=many | ststnet --data nowhere"""
    all_refused("|".join(f"audit {words}" for words in lines.split("|")), *kept)


def test_wrong_arguments_of_audit_are_refused(all_refused):
    lines = """ststnt -p megc2019 | ststnet -p megc2091 | ststnet -p mine.yaml | ststnet | medn -p cd6me |
        medn -p megc2019 | svm-flow -p megc2019 | ststnet -p megc2019 --set epochs |
        svm-flow -p megc2019 --data nowhere | svm-flow -p megc2019 --data casme2 |
        svm-flow -p megc2019 --data megc2019-flow28 | svm-flow -p megc2019 --data synthetic-small"""
    all_refused("|".join(f"audit {words}" for words in lines.split("|")))


@pytest.mark.slow
def test_audit_reads_the_leaderboard_where_nothing_is_recorded(done):
    says(done("audit", "ststnet", "--protocol", "megc2019"), "442 clips, 68 folds, 800 epochs", ".7001")
