import json

from support.cases import says

SMIC = ("--protocol", "megc2019", "--part", "smic")


def test_an_impossible_claim_is_answered_with_the_nearest_figures(merbench):
    said = merbench("check-claim", *SMIC, "--uf1", ".2000", "--uar", ".5280", "--no-slips")
    assert (said.code, said.err) == (1, "")
    says(said.out, "164: negative 70, positive 51, surprise 43 | impossible as one pooled | nearest to .2000 is .3983")


def test_a_possible_claim_has_an_example_and_the_power_of_the_check(merbench, done):
    says(done("check-claim", "--counts", "70,51,43", "--uf1", ".6703", "--uar", ".6703"), "Possible does not confirm")
    found = json.loads(done("check-claim", *SMIC, "--uf1", "67.03", "--uar", "67.03", "--percent", "--format", "json"))
    assert [(each["verdict"], each["reading"], each["counts"]) for each in found] == [
        ("possible", "rounded", [70, 51, 43])
    ]
    assert found[0]["power"] > 0.5
    assert [sum(row) for row in found[0]["matrix"]] == [70, 51, 43]


def test_a_table_of_claims_is_checked_row_by_row(merbench, tmp_path):
    rows = ["method,part,uf1,uar,acc,source", "A,smic-hs,.2000,.5280,,x", "B,casme2,.8382,.8190,,x", "C,samm,,,,x"]
    (tmp_path / "claims.csv").write_text("\n".join(rows), encoding="utf-8")
    said = merbench("check-claim", "--protocol", "megc2019", "--table", "claims.csv", "--format", "json")
    found = json.loads(said.out)
    assert (said.code, [(each["method"], each["part"], each["verdict"]) for each in found]) == (
        1, [("A", "smic-hs", "impossible"), ("B", "casme2", "possible")],
    )  # fmt: skip
    assert {slip["slip"] for slip in found[0]["slips"]} >= {"UF1 and UAR exchanged", "the figures of part casme2"}
    says(
        merbench("check-claim", "--protocol", "megc2019", "--table", "claims.csv", "--no-slips").out,
        "A smic-hs | 1 impossible",
    )


def test_rows_that_print_the_same_figures_are_named(merbench, tmp_path):
    rows = ["method,part,uf1,uar,acc", "A,samm,.748,.728,", "B,casme2,.7280,,.7475", "C,full,.748,.900,"]
    (tmp_path / "claims.csv").write_text("\n".join(rows), encoding="utf-8")
    said = merbench("check-claim", "--protocol", "megc2019", "--table", "claims.csv", "--no-slips").out
    assert [line for line in said.splitlines() if "same figures" in line] == [
        "A samm and B casme2 print the same figures, which can be chance"
    ]


def test_a_matrix_of_shares_says_which_clips_fit(merbench, done, tmp_path):
    rows = "71.43,14.29,14.29/11.8,70.6,17.6/20.9,16.3,62.8"
    found = json.loads(done("check-claim", *SMIC, "--matrix", rows, "--format", "json"))
    assert [(row["class"], row["clips"], row["fits"]) for row in found] == [
        ("negative", 70, True), ("positive", 51, True), ("surprise", 43, True),
    ]  # fmt: skip
    says(done("check-claim", *SMIC, "--matrix", rows, "--uar", ".6827"), "UAR .6827 to .6827")
    said = merbench("check-claim", *SMIC, "--matrix", rows, "--uar", ".6900")
    assert (said.code, "UAR .6900 is outside of that" in said.out) == (1, True)
    assert merbench("check-claim", "--counts", "70,51,44", "--matrix", rows).code == 1
    says(done("check-claim", "--matrix", "50,50/25,75"), "class 2")
    (tmp_path / "rows.txt").write_text("50,50\n25,75\n", encoding="utf-8")
    says(done("check-claim", "--matrix", tmp_path / "rows.txt"), "class 2")
    said = merbench("check-claim", "--matrix", "no.txt")
    assert (said.code, said.err) == (2, "error: no.txt can't be read: No such file or directory\n")


def test_wrong_claims_are_refused(refused, all_refused, tmp_path):
    (tmp_path / "other.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    (tmp_path / "bad.csv").write_text("method,uf1\nA,.5\nB,52.8\n", encoding="utf-8")
    all_refused("""check-claim --uf1 .5 | check-claim --protocol megc2019 | check-claim --counts 70,51,43 --uf1 52.8 |
check-claim --counts 70,51,43 --uf1 152.8 --percent | check-claim --counts 70,x --uf1 .5280 |
check-claim --protocol megc2019 --part mmew --uf1 .5280 | check-claim --protocol cd6me --uf1 .5280 |
check-claim --protocol megc2019 --counts 70,51 --uf1 .5280 |
check-claim --protocol megc2018-cde --part samm --uf1 .5280 |
check-claim --protocol megc2019 --part smic --counts 70,51,44 --uf1 .5280 | check-claim --protocol megc --uf1 .5280 |
check-claim --table no.csv | check-claim --table other.csv | check-claim --counts 70,51,43 --table bad.csv |
check-claim --matrix 50,50/50,60 | check-claim --matrix 50,50/50,50 --uf1 .5 |
check-claim --protocol megc2019 --matrix 50,50/50,50 | check-claim --matrix 50,50/50,50 --table bad.csv |
check-claim --table bad.csv --uf1 .5280 | check-claim --counts 70,51,43 --uf1 .5280 --format pdf""")
