import json

from support.cases import says


def test_explain_compares_two_methods(recorded, done):
    text = done("explain", "svm-flow", "majority")
    says(text, "svm-flow-small-s0 | Equal: protocol, split, data | Full | CASME II | casme2/sub")
    found = json.loads(done("explain", "majority-small", "svm-flow", "--format", "json"))
    assert found["parts"][0]["uf1_difference"] < 0
    assert len(found["subjects"]) == 9


def test_explain_reads_the_leaderboard(done):
    rows = ("svm-flow on megc2019-flow28", "majority", "--protocol", "megc2019")
    says(done("explain", *rows, "--leaderboard", "--most", "0"), ".7182", "442")


def test_explain_refuses_what_it_can_not_compare(recorded, refused):
    refused("explain", "majority-small", "majority-megc2019", "--leaderboard")
    refused("explain", "svm-flw", "majority")
    refused("explain", "svm-flow", "majority", "--protocol", "megc2019")
    refused("explain", "svm-flow", "majority", "--format", "pdf")


def test_explain_and_compare_take_a_protocol_as_run_does(recorded, small, done, refused):
    _, path = small
    whole = json.loads(done("explain", "svm-flow", "majority", "--format", "json"))
    assert json.loads(done("explain", "svm-flow", "majority", "-p", path, "--format", "json")) == whole
    pattern = "cross:casme2+samm->smic-hs"
    refused("explain", "svm-flow", "majority", "-p", pattern)
    done("run", "svm-flow", "majority", "-p", pattern)
    crossed = json.loads(done("explain", "svm-flow", "majority", "-p", pattern, "--format", "json"))
    assert crossed["parts"][0]["clips"] == 8
    refused("explain", "svm-flow", "majority", "-p", "absent.yaml")
