import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from merbench.contracts.errors import DataError
from merbench.databases.readers.identity import dataset_name, normalised

blanks = st.sampled_from(["", " ", "\t"])
numbers = st.integers(0, 200)
widths = st.integers(1, 4)


@st.composite
def spellings(draw):
    """Draw a clip of a known database as some list may write it, or any three texts of another."""
    number, inner, index = draw(numbers), draw(numbers), draw(numbers)
    digits = f"{number:0{draw(widths)}d}"
    kind = draw(st.sampled_from(["casme2", "samm", "smic", "other"]))
    if kind == "casme2":
        dataset = draw(st.sampled_from(["casme2", "CASME2", "CASMEII", "CASME II", "casme_ii"]))
        subject, clip = (
            draw(st.sampled_from(["sub", ""])) + digits,
            f"EP{inner:02d}_{index:02d}" + draw(st.sampled_from(["", "f"])),
        )
    elif kind == "samm":
        dataset, subject = draw(st.sampled_from(["samm", "SAMM"])), digits
        clip = f"{number:0{draw(widths)}d}_{inner}_{index}"
    elif kind == "smic":
        dataset, subject = (
            draw(st.sampled_from(["smic", "SMIC", "smic-hs", "SMIC_HS", "HS"])),
            draw(st.sampled_from(["s", ""])) + digits,
        )
        clip = f"s{number:0{draw(widths)}d}_{draw(st.sampled_from(['ne', 'po', 'sur']))}_{index:0{draw(widths)}d}"
    else:
        return draw(st.text().map("x".__add__)), draw(st.text()), draw(st.text())
    return draw(blanks) + dataset, subject + draw(blanks), draw(blanks) + clip + draw(blanks)


@given(spellings())
@example(("smic", "3", "s3_ne_1"))
@example(("xİ", "A\x1f", " b "))
def test_normalising_twice_changes_nothing(spelling):
    once = normalised(*spelling)
    assert normalised(*once) == once


@given(numbers, numbers, widths, widths)
def test_padding_of_numbers_does_not_matter(number, index, width, other):
    spelled = [
        ("SMIC", f"s{number:0{width}d}", f"s{number:0{other}d}_po_{index:0{width}d}"),
        ("smic-hs", f"{number:0{other}d}", f"s{number}_po_{index:0{other}d}"),
    ]
    assert {normalised(*spelling) for spelling in spelled} == {
        ("smic-hs", f"s{number:02d}", f"s{number:02d}_po_{index:02d}")
    }
    assert normalised("samm", str(number), f"{number:0{width}d}_1_2") == normalised(
        "samm", f"{number:03d}", f"{number:03d}_1_2"
    )


def test_the_forms_that_lists_and_logs_write():
    assert normalised("smic", "3", "s3_ne_1") == ("smic-hs", "s03", "s03_ne_01")
    assert normalised("samm", "6", "006_1_2") == ("samm", "006", "006_1_2")
    assert normalised("CASME II", "1", "EP02_01f") == ("casme2", "sub01", "EP02_01f")
    assert normalised("casme2", "sub17", "EP01_13") == ("casme2", "sub17", "EP01_13")
    assert normalised("casme2", "sub02", "EP02_04f") == ("casme2", "sub02", "EP02_04f")


def test_subject_6_of_three_databases_is_three_subjects():
    found = [
        normalised("casme2", "06", "EP01_01f"),
        normalised("samm", "06", "006_1_1"),
        normalised("smic", "06", "s06_ne_01"),
    ]
    assert [identity[:2] for identity in found] == [("casme2", "sub06"), ("samm", "006"), ("smic-hs", "s06")]


def test_smic_is_its_high_speed_part():
    for name in ("smic", "SMIC", "smic-hs", " Smic_HS ", "hs"):
        assert dataset_name(name) == "smic-hs", name


def test_an_unknown_dataset_keeps_its_text():
    assert normalised(" Mine ", " a B ", " c\n") == ("mine", "a B", "c")


def test_names_of_another_form_are_refused():
    for dataset, subject, clip in (
        ("casme2", "sub01", "006_1_2"),
        ("casme2", "s01", "EP02_01f"),
        ("casme2", "sub01", "ep02_01f"),
        ("casme2", "sub01", ""),
        ("samm", "006", "007_1_2"),
        ("samm", "sub06", "006_1_2"),
        ("samm", "006", "006_1"),
        ("samm", "006", "006_006_1_2"),
        ("smic", "s03", "s04_ne_01"),
        ("smic", "s03", "s03_an_01"),
        ("smic", "s03", "03_ne_01"),
        ("smic", "", "s03_ne_01"),
    ):
        with pytest.raises(DataError, match=f"subject '{subject}', clip '{clip}' "):
            normalised(dataset, subject, clip)
