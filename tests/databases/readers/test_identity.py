import pandas as pd
from hypothesis import given
from hypothesis import strategies as st
from support.refusals import refusal

from merbench.contracts.errors import DataError
from merbench.databases.readers.identity import dataset_name, normalised, strange_subjects

numbers, widths = st.integers(0, 200), st.integers(1, 4)


@given(st.tuples(st.text(), st.text(), st.text()))
def test_an_unknown_dataset_keeps_its_text(spelling):
    dataset, subject, clip = spelling
    once = normalised(f"x{dataset}", subject, clip)
    assert once[1:] == (subject.strip(), clip.strip())
    assert normalised(*once) == once


@given(numbers, numbers, widths, widths, st.sampled_from(["", " ", "\t"]))
def test_padding_and_blanks_do_not_matter(number, index, width, other, blank):
    padded, further, inner = f"{number:0{width}d}", f"{number:0{other}d}", f"{index:0{width}d}"
    smic = ("smic-hs", f"s{number:02d}", f"s{number:02d}_po_{index:02d}")
    for dataset, subject, clip, expected in (
        ("SMIC", f"s{padded}", f"s{further}_po_{inner}", smic),
        ("smic-hs", further, f"s{number}_po_{index}", smic),
        ("samm", further, f"{padded}_1_{index}", ("samm", f"{number:03d}", f"{number:03d}_1_{index}")),
        ("CASME II", padded, f"EP{inner}_1f", ("casme2", f"sub{number:02d}", f"EP{inner}_1f")),
        ("casme_ii", f"sub{further}", f"EP{inner}", ("casme2", f"sub{number:02d}", f"EP{inner}")),
    ):
        assert normalised(blank + dataset, subject + blank, blank + clip + blank) == expected
        assert normalised(*expected) == expected


def test_the_forms_of_lists_and_logs_are_read_and_others_refused():
    for name, *spellings in (
        ("smic-hs", "smic", "SMIC", "smic-hs", " Smic_HS ", "hs", "SMIC HS"),
        ("casme2", "CASME II", "CASME-II", "CASME_2", "casme 2", "CASMEII"),
        ("cas-me-2", "CAS(ME)^2", "CAS(ME)2", "cas(me)²"),
        ("casme3", "CAS(ME)^3", "CAS(ME)³", "CASME III"),
        ("samm", "SAMM", " samm"),
        ("smic-nir", "SMIC-NIR"),
        ("mmew", "MMEW"),
    ):
        assert {dataset_name(spelling) for spelling in spellings} == {name}
    assert normalised("smic", "3", "s3_ne_1") == ("smic-hs", "s03", "s03_ne_01")
    assert normalised("samm", "6", "006_1_2") == ("samm", "006", "006_1_2")
    assert normalised("CASMEII", "6.0", "EP02_01f") == ("casme2", "sub06", "EP02_01f")
    assert normalised("casme2", "SUB06", "ep02_01F") == ("casme2", "sub06", "EP02_01f")
    assert normalised("SMIC", "S03", "S03_NE_01") == ("smic-hs", "s03", "s03_ne_01")
    for dataset, subject, clip in (
        *(("casme2", "sub01", clip) for clip in ("006_1_2", "EP", "")),
        *(("samm", "006", clip) for clip in ("007_1_2", "006_1", "006_006_1_2")),
        *(("smic", "s03", clip) for clip in ("s04_ne_01", "s03_an_01", "03_ne_01")),
        ("casme2", "s01", "EP02_01f"),
        ("samm", "sub06", "006_1_2"),
        ("smic", "", "s03_ne_01"),
    ):
        line = refusal(normalised, dataset, subject, clip, error=DataError)
        assert f"subject '{subject}', clip '{clip}' " in line


def test_subjects_that_a_database_does_not_have_are_named():
    clips = [("casme2", "sub26"), ("casme2", "sub99"), ("samm", "008"), ("smic-hs", "s20"), ("mmew", "x")]
    assert strange_subjects(pd.DataFrame(clips, columns=["dataset", "subject"])) == ["casme2/sub99", "samm/008"]
