"""The verdicts that ship: possible ones have a matrix with the figures, impossible ones are searched again."""

import random
import time
from collections import Counter
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from support.cases import each, says

from merbench.analysis.claims.claim import FIGURES, READINGS, Claim, read_figure
from merbench.analysis.claims.counts import counts_of_parts
from merbench.analysis.claims.matrices import deadline_in, find_matrix
from merbench.analysis.claims.published import VERDICTS, published_rows, verdict
from merbench.engine.plan.catalogue import PROTOCOLS
from merbench.records.published import claims, printed

KEYS = sorted(claims())


def claim_of(row):
    counts = {str(place): int(n) for place, n in enumerate(row["counts"].split())}
    return Claim(counts, {name: read_figure(name, row[name]) for name in FIGURES if row[name]})


def test_every_published_figure_has_a_verdict_on_what_is_printed():
    assert set(KEYS) == set(printed())
    for key in each(KEYS):
        row, figures = claims()[key], printed()[key]
        derived = "uar-derived" in figures["remarks"].split()
        assert [row[name] for name in FIGURES] == ["" if derived and n == "uar" else figures[n] for n in FIGURES]
        assert row["verdict"] in VERDICTS
        assert bool(row["reason"]) == (row["verdict"] == "not checked") == (not row["counts"])
        short, whole = verdict(key)
        assert short.split()[0] == row["verdict"].split()[0]
        assert whole.endswith(".")


def test_class_counts_are_those_of_the_protocol_or_of_the_log_that_was_scored():
    known = {name: counts_of_parts(PROTOCOLS.get(name)) for name in {key[0] for key in KEYS} - {"cd6me"}}
    for key in each(KEYS):
        row = claims()[key]
        counts = " ".join(map(str, known.get(key[0], {}).get(key[1], {}).values()))
        if row["counts"] and row["counts"] != counts:
            assert "clips-435" in printed()[key]["remarks"].split()
            assert sum(map(int, row["counts"].split())) in (435, 157)


def test_the_matrix_of_a_possible_claim_gives_its_figures():
    for key in each(key for key in KEYS if claims()[key]["verdict"] == "possible"):
        row = claims()[key]
        claim, matrix = claim_of(row), np.array([[int(n) for n in line.split()] for line in row["matrix"].split("/")])
        assert matrix.min() >= 0
        assert matrix.sum(axis=1).tolist() == list(claim.sizes)
        right, n, c = (each.tolist() for each in (matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)))
        values = {
            "uf1": sum(Fraction(2 * d, a + b) for d, a, b in zip(right, n, c, strict=True)) / len(n),
            "uar": sum(Fraction(d, a) for d, a in zip(right, n, strict=True)) / len(n),
            "acc": Fraction(sum(right), sum(n)),
        }
        assert all(span.holds(values[name]) for name, span in claim.spans(row["reading"]).items())


def searched_again(keys, seconds):
    """Search the matrices of rows that are called impossible, wholly or as rounded, until the time is over."""
    end, done = time.process_time() + seconds, 0
    for key in each(keys):
        row = claims()[key]
        refused = READINGS if row["verdict"] == "impossible" else ("rounded",)
        for reading in refused:
            claim = claim_of(row)
            assert find_matrix(claim.sizes, claim.spans(reading), deadline_in(30)) is None
        done += 1
        if time.process_time() > end:
            break
    return done


REFUSED = [key for key in KEYS if claims()[key]["verdict"] == "impossible" or claims()[key]["reading"] == "truncated"]


def test_some_impossible_claims_are_impossible_again():
    three = [key for key in REFUSED if len(claims()[key]["counts"].split()) == 3]
    assert searched_again(random.Random(0).sample(three, 12), 20) == 12


@pytest.mark.slow
def test_impossible_claims_are_impossible_again():
    keys = random.Random(1).sample(REFUSED, len(REFUSED))
    print(f"{searched_again(keys, 170)} of {len(keys)} in three minutes")


def test_the_page_has_the_numbers_of_the_verdicts():
    page = (Path(__file__).parents[3] / "docs/reading-a-result.md").read_text(encoding="utf-8")
    many = Counter(row["verdict"] for row in claims().values())
    says(page, *(f"| {word} | {number} |" for word, number in many.items()))
    impossible = [row for row in claims().values() if row["verdict"] == "impossible"]
    alone = sum(row["alone"] == "acc" for row in impossible)
    says(
        page, f"ships {len(KEYS)} published figures under {len({key[0] for key in KEYS})} protocols", f"{alone} of them"
    )
    elsewhere = [row for row in impossible if row["elsewhere"] == "casme2-5-246"]
    assert len(elsewhere) == 12


def test_the_words_of_a_verdict_are_those_of_a_referee():
    rows = {(row["method"], row["part"]): row for row in published_rows("megc2019") if row["kind"] == "reported"}
    assert rows["LBP-TOP", "smic-hs"]["verdict"] == "impossible"
    assert "With UAR .5280, the possible UF1 nearest to .2000 is .398284." in rows["LBP-TOP", "smic-hs"]["evidence"]
    assert "macro precision in place of UAR" in rows["STSTNet", "samm"]["evidence"]
    said = " ".join(row["evidence"] for row in rows.values()).casefold()
    assert [word for word in ("error", "wrong", "fraud", "mistake", "fake", "false claim") if word in said] == []
    possible = [row["evidence"] for row in rows.values() if row["verdict"].startswith("possible")]
    assert all("does not confirm the figures" in text for text in possible)
    not_stated = [row for row in published_rows("casme2-5") if "clips-not-stated" in row["remarks"]]
    said = [row["evidence"] for row in not_stated if row["verdict"] != "not checked"]
    assert said
    assert all(text.endswith("that they are the protocol's is assumed.") for text in said)
