"""Claims against brute force on small counts, the known impossible figures, and figures of real matrices."""

from dataclasses import replace
from fractions import Fraction
from functools import cache
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.cases import each

from merbench.analysis.claims.claim import READINGS, Claim, check_claim, read_figure
from merbench.analysis.claims.counts import (
    counts_of_parts,
    counts_of_variants,
    find_part,
    fold_counts,
    protocol_counts,
    read_counts,
)
from merbench.analysis.claims.matrices import deadline_in, find_matrix, is_matrix, matrix_of, scores
from merbench.analysis.claims.restrictions import one_set_of_predictions, printed_twice
from merbench.analysis.claims.slips import Slip, try_slips
from merbench.contracts.errors import MerbenchError
from merbench.engine.plan.catalogue import PROTOCOLS

SMIC, CASME2, SAMM, FULL = (70, 51, 43), (88, 32, 25), (92, 26, 15), (250, 109, 83)


def claim_of(counts, **printed):
    sizes = {f"class {k}": n for k, n in enumerate(counts)}
    return Claim(sizes, {name: read_figure(name, text) for name, text in printed.items()})


def rows_of(n, size):
    return [row for row in product(range(n + 1), repeat=size) if sum(row) == n]


def every_matrix(counts):
    """List diagonals and column sums of all matrices by writing all of them."""
    matrices = product(*(rows_of(n, len(counts)) for n in counts))
    return {(tuple(m[k][k] for k in range(len(m))), tuple(map(sum, zip(*m, strict=True)))) for m in matrices}


def known_scores(counts, diagonal, columns):
    """Precision and F1 as tables have them: 0 for a class that is never predicted."""
    size, total = len(counts), sum(counts)
    precision = [Fraction(d, c) if c else Fraction(0) for d, c in zip(diagonal, columns, strict=True)]
    f1 = [Fraction(2 * d, n + c) for d, n, c in zip(diagonal, counts, columns, strict=True)]
    mean_recall = sum(Fraction(d, n) for d, n in zip(diagonal, counts, strict=True)) / size
    mean_precision = sum(precision) / size
    both = mean_precision + mean_recall
    return {
        "uf1": sum(f1) / size,
        "uar": mean_recall,
        "acc": Fraction(sum(diagonal), total),
        "precision": mean_precision,
        "weighted": sum(n * f for n, f in zip(counts, f1, strict=True)) / total,
        "of_means": 2 * mean_precision * mean_recall / both if both else Fraction(0),
    }


BRUTE = {
    counts: [(margins, known_scores(counts, *margins)) for margins in sorted(every_matrix(counts))]
    for counts in ((2, 4), (3, 2, 4), (1, 3, 2), (1, 2, 1, 2))
}


@given(st.sampled_from(sorted(BRUTE)), st.integers(2, 3), st.data())
def test_answers_equal_brute_force(counts, digits, data):
    unit = 10**digits
    truth = data.draw(st.sampled_from(BRUTE[counts]))[1]
    names = data.draw(
        st.sampled_from((("uf1", "uar"), ("uf1", "acc"), ("uf1", "uar", "acc"), ("uf1",), ("uar", "acc")))
    )
    printed = {}
    for name in names:  # the print of a real matrix, its last digits altered
        moved = int(truth[name] * unit) + data.draw(st.integers(-2, 2))
        printed[name] = (Fraction(min(max(moved, 0), unit), unit), digits)
    claim = Claim({str(k): n for k, n in enumerate(counts)}, printed)
    for reading in READINGS:
        spans = claim.spans(reading)
        fitting = {m for m, of in BRUTE[counts] if all(spans[name].holds(of[name]) for name in names)}
        found = find_matrix(counts, spans, deadline_in(20))
        assert found in fitting if fitting else found is None
    answer = check_claim(claim)
    if answer.verdict == "impossible" and len(counts) < 4:
        for name in names:
            spans = {other: span for other, span in claim.spans("rounded").items() if other != name}
            rest = [of[name] for _, of in BRUTE[counts] if all(span.holds(of[o]) for o, span in spans.items())]
            away = [abs(value - printed[name][0]) for value in rest]
            found = answer.nearest[name]
            assert (None if found is None else abs(found - printed[name][0])) == min(away, default=None), name


def test_margins_of_all_matrices_and_no_others_are_filled():
    for counts in each(BRUTE):
        real = {margins for margins, _ in BRUTE[counts]}
        sums = [c for c in product(range(sum(counts) + 1), repeat=len(counts)) if sum(c) == sum(counts)]
        for diagonal in product(*(range(n + 1) for n in counts)):
            for columns in sums:
                assert is_matrix(counts, diagonal, columns) == ((diagonal, columns) in real)
        for diagonal, columns in real:
            filled = np.array(matrix_of(counts, diagonal, columns))
            assert filled.min() >= 0
            assert (filled.sum(axis=1).tolist(), filled.sum(axis=0).tolist()) == (list(counts), list(columns))
            assert np.diag(filled).tolist() == list(diagonal)


@cache
def with_a_fourth_column(counts):
    """Score every matrix with a column more, for predictions of a class without clips."""
    wider = product(*(rows_of(n, 4) for n in counts))
    margins = {(tuple(m[k][k] for k in range(3)), tuple(sum(row[k] for row in m) for k in range(3))) for m in wider}
    return [scores(counts, *pair) for pair in margins]


def two_classes_fit(margins, spans):
    """Whether one class is never predicted, and means without it, UAR also with it, are in the spans."""
    counts, (diagonal, columns) = next(c for c in BRUTE if margins in [m for m, _ in BRUTE[c]]), margins
    if columns.count(0) != 1:
        return False
    of = known_scores(counts, diagonal, columns)
    return spans["uf1"].holds(of["uf1"] * 3 / 2) and any(spans["uar"].holds(of["uar"] * k) for k in (1, Fraction(3, 2)))


@settings(max_examples=25)
@given(st.sampled_from([counts for counts in sorted(BRUTE) if len(counts) == 3]), st.data())
def test_slips_equal_brute_force(counts, data):
    slips = {
        "macro precision in place of UAR": ("uf1", "precision"),
        "weighted F1 in place of UF1": ("weighted", "uar"),
        "weighted F1 and accuracy in place of UF1 and UAR": ("weighted", "acc"),
        "accuracy in place of UAR": ("uf1", "acc"),
        "UF1 and UAR exchanged": ("uar", "uf1"),
        "F1 of mean precision and mean recall in place of UF1": ("of_means", "uar"),
    }
    truth = data.draw(st.sampled_from(BRUTE[counts]))[1]
    figures = data.draw(st.sampled_from(sorted(slips.values())))
    printed = {
        name: (Fraction(round(truth[of] * 1000), 1000), 3) for name, of in zip(("uf1", "uar"), figures, strict=True)
    }
    claim = Claim({str(k): n for k, n in enumerate(counts)}, printed)
    found = {slip.name: slip for slip in try_slips(claim, trials=0)}
    for name, (one, two) in slips.items():
        spans = [claim.spans(reading) for reading in READINGS]
        fits = any(s["uf1"].holds(of[one]) and s["uar"].holds(of[two]) for s in spans for _, of in BRUTE[counts])
        assert found[name].fits is fits, name
    fits = any(two_classes_fit(each, s) for each, _ in BRUTE[counts] for s in spans)
    assert found["mean over the classes that are predicted, and one is not"].fits is fits
    values = with_a_fourth_column(counts)
    fits = any(all(s[name].holds(of[name]) for name in printed) for s in spans for of in values)
    assert found["predictions of a class that the protocol does not have"].fits is fits


def fitting(claim, **more):
    return {slip.name for slip in try_slips(claim, trials=0, **more) if slip.fits}


def test_slips_of_accuracy_equal_brute_force():
    for counts in each(((3, 2, 4), (1, 3, 2))):
        total = sum(counts)
        for k in range(0, 101, 7):
            claim = claim_of(counts, acc=f"{k / 100:.2f}")
            spans = [claim.spans(reading)["acc"] for reading in READINGS]
            near = [n for n in range(1, total + 11) if n != total]
            expected = any(s.holds(Fraction(right, n)) for s in spans for n in near for right in range(n + 1))
            assert ("accuracy of another number of clips, by at most 10" in fitting(claim)) is expected
    weighted = claim_of((3, 2, 4), uf1=".6574", acc=".6667")
    values = [of for _, of in BRUTE[3, 2, 4]]
    spans = [weighted.spans(reading) for reading in READINGS]
    expected = any(s["uf1"].holds(of["weighted"]) and s["acc"].holds(of["acc"]) for s in spans for of in values)
    assert ("weighted F1 in place of UF1" in fitting(weighted)) is expected


def test_accuracies_that_are_means_over_folds_equal_brute_force():
    for folds, k in each(product(((3, 4), (2, 3, 4)), range(0, 101, 7))):
        means = {sum(map(Fraction, right, folds)) / len(folds) for right in product(*(range(n + 1) for n in folds))}
        claim = claim_of((5, 4), acc=f"{k / 100:.2f}")
        expected = any(claim.spans(reading)["acc"].holds(mean) for reading in READINGS for mean in means)
        by_class = [(n - 1, 1) for n in folds]
        found = {slip.name: slip.fits for slip in try_slips(claim, trials=0, folds=by_class)}
        answers = {True: {True, None}, False: {None}} if len(folds) > 2 else {True: {True}, False: {False}}
        assert found["accuracy as a mean over folds"] in answers[expected]
    people = fold_counts(PROTOCOLS.get("megc2019"), "samm")
    assert (len(people), tuple(map(sum, zip(*people, strict=True)))) == (28, SAMM)
    assert fold_counts(PROTOCOLS.get("casme2-5"), "full") == []


def test_figures_of_all_clips_that_are_means_of_the_parts_are_found():
    parts = [claim_of((5, 5), uf1=".6200", uar=".6000"), claim_of((15, 5), uf1=".5010", uar=".5000")]
    plain, weighted = claim_of((20, 10), uf1=".5605", uar=".5500"), claim_of((20, 10), uf1=".5407", uar=".5333")
    assert "mean of the printed figures of the parts" in fitting(plain, beside=parts)
    assert "mean, weighted by clips, of the printed figures of the parts" in fitting(weighted, beside=parts)
    assert not any("parts" in name for name in fitting(claim_of((20, 10), uf1=".5605", uar=".5333"), beside=parts))


def test_figures_printed_for_two_methods_are_found():
    def row(method, part="a", **printed):
        return replace(claim_of((5, 5), **printed), method=method, protocol="p", part=part)

    claims = [
        row("A", uf1=".748", uar=".728"), row("B", acc=".7280", uf1=".7475"),
        row("A", part="b", uf1=".7475", uar=".7280"),
        row("C", uf1=".7480", uar=".9000"), row("a [x]", uf1=".748", uar=".728"), row("D", uf1=".75", uar=".73"),
    ]  # fmt: skip
    assert printed_twice(claims) == {0: [1, 2], 1: [0, 2, 4], 2: [0, 1, 4], 4: [1, 2]}


def test_class_counts_of_other_protocols_on_the_same_database():
    others = list(map(PROTOCOLS.get, PROTOCOLS.names()))
    found = {name: list(counts_of_variants(PROTOCOLS.get(name), part, others)) for name, part in (
        ("casme2-5", "full"), ("casme2-3", "full"), ("megc2019", "casme2"), ("megc2019", "full"))}  # fmt: skip
    assert found == {
        "casme2-5": ["casme2-5-246"], "casme2-3": ["casme2-3-fear-sadness"],
        "megc2019": [],
    }  # fmt: skip


def test_parts_that_are_not_restrictions_are_found():
    counts = {"full": (3, 3), "a": (1, 2), "b": (2, 1)}
    tried = {name: [*product(*(range(n + 1) for n in sizes))] for name, sizes in counts.items()}
    for right in each(product(tried["full"], tried["a"], tried["b"])):
        prints = [
            claim_of(sizes, uar=f"{(d[0] / sizes[0] + d[1] / sizes[1]) / 2:.3f}")
            for d, sizes in zip(right, counts.values(), strict=True)
        ]
        fits = any(
            (a[0] + b[0]) / 3 + (a[1] + b[1]) / 3 == pytest.approx(right[0][0] / 3 + right[0][1] / 3)
            and a[0] + a[1] / 2 == right[1][0] + right[1][1] / 2
            and b[0] / 2 + b[1] == right[2][0] / 2 + right[2][1]
            for a, b in product(tried["a"], tried["b"])
        )
        assert one_set_of_predictions(prints[0], prints[1:]) is fits


def test_the_known_figures_are_impossible():
    cases = (
        (SMIC, ".2000", ".5280", ".3983"),  # LBP-TOP
        (CASME2, ".8512", ".8123", ".8395"),  # RCN-A
        (SAMM, ".7601", ".6715", ".7068"),  # RCN-A
    )
    for counts, uf1, uar, nearest in each(cases):
        answer = check_claim(claim_of(counts, uf1=uf1, uar=uar))
        assert answer.verdict == "impossible"
        assert f"{float(answer.nearest['uf1']):.4f}" == f"0{nearest}"
        assert answer.alone == ()


def test_ststnet_on_samm_fits_macro_precision_and_not_as_rounded_recall():
    claim = claim_of(SAMM, uf1=".6588", uar=".6810")
    answer = check_claim(claim)
    assert (answer.verdict, answer.reading, answer.refused) == ("possible", "truncated", ("rounded",))
    assert {slip.name: slip.fits for slip in try_slips(claim, {}, answer.refused, 0)}["macro precision in place of UAR"]
    assert check_claim(claim_of(SAMM, uf1=".6588", uar=".6415")).reading == "rounded"


def test_accuracy_that_is_not_a_count_of_clips_is_named():
    answer = check_claim(claim_of(SMIC, uar=".5280", acc=".5010"))
    assert (answer.verdict, answer.alone) == ("impossible", ("acc",))


def drawn(number):
    """Yield figures of random matrices of the real class counts, as they are printed."""
    rng = np.random.default_rng(number)
    for turn in range(number):
        counts = (SMIC, CASME2, SAMM, FULL)[turn % 4]
        right = rng.uniform(0.2, 1)
        shares = [rng.dirichlet(np.where(np.arange(3) == k, 6 * right, 2 * (1 - right) + 0.05)) for k in range(3)]
        matrix = np.array([rng.multinomial(n, p) for n, p in zip(counts, shares, strict=True)])
        values = scores(counts, np.diag(matrix).tolist(), matrix.sum(axis=0).tolist())
        digits, cut = int(rng.integers(2, 6)), bool(rng.integers(2))
        names = ("uf1", "uar", "acc") if turn % 3 else ("uf1", "uar")
        unit = 10**digits
        printed = {
            name: (Fraction(int(values[name] * unit) if cut else round(values[name] * unit), unit), digits)
            for name in names
        }
        yield Claim(dict(zip("abc", counts, strict=True)), printed)


def none_is_impossible(number):
    for claim in drawn(number):
        found = [find_matrix(claim.sizes, claim.spans(reading), deadline_in(10)) for reading in READINGS]
        assert any(found), claim


def test_figures_of_matrices_are_possible():
    none_is_impossible(150)


@pytest.mark.slow
def test_figures_of_many_matrices_are_possible():
    none_is_impossible(10_000)


def test_five_classes_are_searched_too():
    counts = (32, 64, 27, 25, 99)
    possible = claim_of(counts, uf1=".7353", uar=".7186").spans("rounded")
    margins = find_matrix(counts, possible, deadline_in(30))
    values = scores(counts, *margins)
    assert is_matrix(counts, *margins)
    assert all(span.holds(values[name]) for name, span in possible.items())
    few = (8, 5, 7, 3)
    assert find_matrix(few, claim_of(few, uf1=".2000", uar=".9000").spans("rounded"), deadline_in(30)) is None
    with pytest.raises(TimeoutError):
        find_matrix(counts, claim_of(counts, uf1=".2000", uar=".9000").spans("rounded"), deadline_in(0.01))


def test_a_slip_that_rescues_much_explains_nothing():
    assert Slip("s", True, 2, 40).word == "fits"
    assert Slip("s", True, 3, 40).word == "compatible"
    assert Slip("s", True, 0, 4).word == "compatible"
    assert (Slip("s", False).word, Slip("s", None).word) == ("does not fit", "undecided")


def test_counts_come_from_lists_and_expected_counts():
    megc, casme2 = PROTOCOLS.get("megc2019"), PROTOCOLS.get("casme2-5")
    assert {part: tuple(n.values()) for part, n in counts_of_parts(megc).items()} == {
        "full": FULL, "smic-hs": SMIC, "casme2": CASME2, "samm": SAMM,
    }  # fmt: skip
    assert [find_part(megc, text) for text in ("SMIC", "smic-hs", "CASME II", "Full")] == [
        "smic-hs",
        "smic-hs",
        "casme2",
        "full",
    ]
    assert find_part(casme2, "casme2") == "full"
    assert sum(protocol_counts(casme2, "full").values()) == 247


def test_figures_and_counts_that_can_not_be_read_are_refused():
    assert read_figure("uf1", "52.8", percent=True) == (Fraction(528, 1000), 3)
    assert read_figure("uf1", "0,528") == (Fraction(528, 1000), 3)
    for text, percent in each(
        (("52.8", False), ("101.0", True), ("1", False), ("-.5", False), ("nan", False), ("", False))
    ):
        with pytest.raises(MerbenchError, match="UF1"):
            read_figure("uf1", text, percent)
    for text in each(("", "7", "7,0", "7,x", "-7,3", "1000000,5")):
        with pytest.raises(MerbenchError, match="counts"):
            read_counts(text)
