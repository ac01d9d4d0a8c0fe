import math
import re

import numpy as np
import pandas as pd
from hypothesis import example, given
from hypothesis import strategies as st
from support.refusals import refusal

from merbench.contracts.action_units import REMARKS, ActionUnit, Coding, read_coding
from merbench.contracts.clips import clip_table, clips_digest

FULL_COMMA, FULL_PLUS, FULL_QUESTION = "\uff0c\uff0b\uff1f"

intensities = st.sets(st.sampled_from("ABCDE"), max_size=2).map(lambda letters: "/".join(sorted(letters)))
units = st.builds(
    ActionUnit, st.integers(1, 99), st.sampled_from(["", *"LRABT"]), intensities, st.booleans(), st.booleans()
)
entries = st.lists(units, min_size=1, max_size=2).map(tuple)
codings = st.lists(entries, min_size=1, max_size=3).map(lambda found: Coding(tuple(found)))
blank = st.sampled_from(["", " ", "  ", "\t"])


@st.composite
def spelled_unit(draw, unit):
    """Write a unit in any admissible way; a full-width or lower-case sign, blanks, a range with its letters turned."""
    letters = unit.intensity.split("/")
    marks = [sign for sign, there in (("?", unit.doubtful), ("(k)", unit.held)) if there]
    word = draw(st.sampled_from(["", "AU", "au", "AU "])) + unit.side
    number = f"{unit.number:0{draw(st.integers(1, 2))}d}"
    after = "/".join(draw(st.permutations(letters)))
    text = word + draw(blank) + number + draw(blank) + after + draw(blank) + "".join(draw(st.permutations(marks)))
    text = draw(st.sampled_from([str, str.lower, str.upper]))(text)
    return draw(blank) + (text.replace("?", FULL_QUESTION) if draw(st.booleans()) else text) + draw(blank)


@st.composite
def spelled_entry(draw, entry):
    """Write alternatives with ``or`` or, where none is mistaken for an intensity, with ``/``; in brackets or bare."""
    texts = [draw(spelled_unit(unit)) for unit in draw(st.permutations(entry))]
    joint = draw(st.sampled_from([" or ", " OR ", "/"]))
    texts = [f"({text})" if joint != "/" and draw(st.booleans()) else text for text in texts]
    text = joint.join(texts)
    return draw(st.sampled_from(["{}", "({})", "( {} )", "ref({})"])).format(text)


@st.composite
def spellings(draw):
    """Draw a coding and one of the many ways to write it: any order, separators, repeated entries, remarks."""
    coding = draw(codings)
    texts = [draw(spelled_entry(entry)) for entry in draw(st.permutations(coding.entries))]
    texts += draw(st.lists(st.sampled_from(texts), max_size=2))
    texts += draw(st.lists(st.sampled_from(REMARKS), max_size=1))
    text = texts[0]
    for more in texts[1:]:
        text += draw(blank) + draw(st.sampled_from(["+", ",", FULL_COMMA, FULL_PLUS, "++"])) + draw(blank) + more
    return coding, text + draw(st.sampled_from(["", " ", ",", FULL_COMMA, " +"]))


@given(codings)
@example(Coding((), unknown=True))
@example(Coding(((ActionUnit(12, held=True), ActionUnit(14)), (ActionUnit(15, "R"),))))
def test_what_is_written_is_read_back(coding):
    assert read_coding(str(coding)) == coding
    assert str(read_coding(str(coding))) == str(coding)


@given(spellings())
def test_every_admissible_spelling_of_a_coding_reads_alike(spelling):
    coding, text = spelling
    assert read_coding(text) == coding


@given(codings)
def test_every_named_number_is_shown_or_possible_and_never_both(coding):
    named = {unit.number for entry in coding.entries for unit in entry}
    assert coding.shown() | coding.possible() == named
    assert not coding.shown() & coding.possible()


@given(codings, st.lists(st.integers(1, 99), max_size=20))
def test_a_vector_is_one_zero_or_nan_for_each_number(coding, vocabulary):
    vector = coding.vector(vocabulary)
    assert vector.shape == (len(vocabulary),)
    assert vector.dtype == np.float32
    for number, value in zip(vocabulary, vector, strict=True):
        if number in coding.possible():
            assert math.isnan(value)
        else:
            assert value == (number in coding.shown())


@given(st.text(alphabet="LRABTKEFUO or0123456789+,/?().-x" + FULL_COMMA, max_size=30))
def test_any_text_is_read_or_refused(text):
    try:
        assert (read_coding(text) is None) == (not text.strip())
    except ValueError as error:
        reason = str(error)
    else:
        return
    assert re.fullmatch(".{1,99}", reason)


CELLS = {
    "4+L10": "4+L10",
    "L1+L2": "L1+L2",
    "L2+26+38": "L2+26+38",
    "12+15 ": "12+15",
    "4 + 7": "4+7",
    f"4,7{FULL_COMMA}12{FULL_COMMA}": "4+7+12",
    "r15": "R15",
    "A12B": "A12B",
    "10A/B": "10A/B",
    "A/L12": "(A12 or L12)",
    "L/R14B/C": "(L14B/C or R14B/C)",
    "12/14": "(12 or 14)",
    "13?": "13?",
    "AU4+AU12(k)": "4+12(k)",
    "L12 or L14": "(L12 or L14)",
    "(R6 or R12)+R15": "(R6 or R12)+R15",
    "R14A or 17A or 24A": "(R14A or 17A or 24A)",
    "4+L12 or L14": "4+(L12 or L14)",
    "ref(7B)+43": "7B+43",
    "(ref(7B) or (9))+43": "(7B or 9)+43",
    "4+soft focus": "4",
    "R4 (soft focus)": "R4",
    "soft focus": "?",
    "?": "?",
    FULL_QUESTION: "?",
    "4+L14+L14": "4+L14",
    "B18+T23+B28": "B18+T23+B28",
}


def test_cells_of_sheets_are_read():
    for cell, canonical in CELLS.items():
        assert str(read_coding(cell)) == canonical, cell
    for cell in (12, 12.0, "12", "12.0", np.int64(12), np.float64(12)):
        assert read_coding(cell) == Coding(((ActionUnit(12),),)), repr(cell)
    for cell in (None, "", "  ", "\u3000", float("nan"), pd.NA, pd.NaT, np.nan):
        assert read_coding(cell) is None, repr(cell)
    for written in ("4;7", "4、7", "4; 7", "4,7"):
        assert read_coding(written) == read_coding("4+7"), written
    assert read_coding("4( k )+7(?)") == read_coding("4(k)+7?")


REFUSED = {
    "612": "612",  # what naive digit-stripping makes of (R6 or R12)
    "0": "0 is not an action unit",
    "12F": "'12F' is not an action unit",
    "12 15": "'12 15' is not an action unit",
    "4-7": "unexpected character '-'",
    "4*": r"unexpected character '\*'",
    "brow raised": "'BROW RAISED' is not an action unit",
    "4+smile": "'SMILE' is not an action unit",
    "4 or": "'' is not an action unit",
    "(R6 or R12": "is not an action unit",
    "(6+12) or 14": r"'6\+12' is not an action unit",
    "4+?": r"'\?' is not an action unit",
    "A/": "is not an action unit",
    "4/R": "'4/R' is not an action unit",
    "L": "'L' is not an action unit",
    "A/12": "'A/12' is not an action unit",
    "12/A": "'12/A' is not an action unit",
    "+,": "no action unit",
    "4+" * 600: "longer than 1000 characters",
    12.5: "'12.5' is not an action unit",
    float("inf"): "unexpected character",
    True: "a bool instead of text or a number",
    pd.Timestamp("2014-05-08"): "a Timestamp instead of text or a number",
}


def test_unreadable_cells_are_refused_with_the_reason():
    for cell, reason in REFUSED.items():
        assert re.search(reason, refusal(read_coding, cell, case=cell, error=ValueError)), cell


def test_a_letter_before_or_after_a_number_differs():
    assert read_coding("A12B").entries == ((ActionUnit(12, side="A", intensity="B"),),)
    assert read_coding("B12A").entries == ((ActionUnit(12, side="B", intensity="A"),),)
    assert read_coding("12A") != read_coding("A12")


def test_alternatives_are_shown_if_all_have_one_number():
    coding = read_coding("(R6 or R12)+R15+A/L14+2?+9(k)")
    assert coding.shown() == {14, 15}
    assert coding.possible() == {2, 6, 9, 12}
    assert read_coding("12 or 12?").shown() == set()
    coding = read_coding("12+L12?+(12 or 14)")
    assert (coding.shown(), coding.possible()) == ({12}, {14})
    assert np.isnan(read_coding("?").vector((1, 2, 4))).all()
    assert read_coding("?").shown() == read_coding("?").possible() == frozenset()


def test_impossible_codings_are_refused():
    for reason, make, arguments in (
        ("0 is not an action unit", ActionUnit, (0,)),
        ("100 is not an action unit", ActionUnit, (100,)),
        ("'X' is not a side", ActionUnit, (12, "X")),
        ("'F' is not an intensity", ActionUnit, (12, "", "F")),
        ("'B/A' is not an intensity", ActionUnit, (12, "", "B/A")),
        ("at least one action unit, or is unknown", Coding, ((),)),
        ("at least one action unit", Coding, (((),),)),
        ("or is unknown", Coding, (((ActionUnit(12),),), True)),
    ):
        assert reason in refusal(make, *arguments, case=arguments, error=ValueError)


def test_a_clip_tables_digest_holds_the_canonical_text():
    row = {"dataset": ["d"], "subject": ["s"], "clip": ["c"]}

    def digest(aus):
        return clips_digest(clip_table(pd.DataFrame(row | {"aus": pd.Series([aus], dtype=object)}), "here"))

    assert digest(read_coding("12+4")) == digest(read_coding(f"AU4 {FULL_COMMA} au12")) == digest("4+12")
    assert digest(read_coding("12+4")) != digest(read_coding("12+L4"))
    assert digest(None) != digest(read_coding("?"))
