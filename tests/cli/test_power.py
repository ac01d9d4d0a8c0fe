import json

import pytest
from support.cases import says


@pytest.mark.slow
def test_power_of_the_committed_rows_and_of_assumed_ones(done):
    found = json.loads(
        done("power", "--protocol", "megc2019", "svm-flow", "majority", "--seeds", "1", "--format", "json")
    )
    assert (found["rows"], found["assumed"], found["lift"]) == (["svm-flow", "majority"], False, [])
    assert 0.01 < found["smallest"][0]["uf1"] < 0.4
    says(done("power", "--protocol", "casme2-5"), "247 clips of 26 subjects | both rows are assumed")


def test_wrong_calls_are_refused(all_refused):
    all_refused(
        "power -p megc2019 svm-flow|power -p megc2019 svm-flow majority --assumed|power -p megc2019 --seeds 0|"
        "power -p megc2019 svm-flow svm-flaw|power -p megc2019 --format pdf|power -p casme2-au|power -p dfme-7|"
        "power -p megc2091|power -p casme2-5 --seeds 3|power -p megc2019 svm-flow majority --seeds 1 --data nowhere"
    )
