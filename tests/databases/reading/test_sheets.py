import zipfile
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merbench.contracts.errors import DataError
from merbench.databases.reading.sheets import SheetColumn, read_sheet

COLUMNS = {
    "subject": SheetColumn(("Subject",)),
    "clip": SheetColumn(("Filename", "File name")),
    "onset": SheetColumn(("OnsetFrame", "Onset"), "number"),
    "notes": SheetColumn(("Notes",), required=False),
}
HEADER = ["Subject", "Filename", "OnsetFrame"]
ROWS = [["01", "EP21_01f", 46], ["02", "EP29f", 7]]


@pytest.fixture(params=[".xlsx", ".xls"])
def write(request, miniature, tmp_path):
    """Return a function that writes cells to an annotation sheet, of either format, and returns its path."""
    return lambda grid, **more: miniature.write_sheet(tmp_path / f"coding{request.param}", grid, **more)


def cells(path):
    return read_sheet(path, COLUMNS).rows.to_numpy().tolist()


def refusal(path):
    with pytest.raises(DataError) as caught:
        read_sheet(path, COLUMNS)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_rows_are_read_with_the_number_that_a_spreadsheet_shows(write):
    sheet = read_sheet(write([["A title"], [], HEADER, ROWS[0], [], ROWS[1]]), COLUMNS)
    assert sheet.rows.index.tolist() == [4, 6]
    assert list(sheet.rows.columns) == list(COLUMNS)
    assert sheet.rows.to_numpy().tolist() == [["01", "EP21_01f", 46, None], ["02", "EP29f", 7, None]]
    assert sheet.where(6) == f"{sheet.path.name}, Sheet1, row 6"
    assert sheet.where(6, "onset") == f"{sheet.path.name}, Sheet1, cell C6"
    assert sheet.where(6, "notes") == f"{sheet.path.name}, Sheet1, row 6"


def test_the_order_of_columns_and_further_ones_mean_nothing(write):
    grid = [[None, "Onset Frame", "x", "Filename", "Subject"], [None, 46, "y", "EP21_01f", "01"]]
    assert cells(write(grid)) == [["01", "EP21_01f", 46, None]]


@pytest.mark.parametrize(
    "header", ["OnsetFrame", "Onset Frame", "onset_frame", " ONSET  FRAME ", "Onset\nFrame", "Onset"]
)
def test_a_header_is_known_in_any_spelling(write, header):
    assert cells(write([["subject", "FileName ", header], ROWS[0]])) == [["01", "EP21_01f", 46, None]]


def test_a_header_is_found_down_to_row_30_and_no_further(write):
    assert len(cells(write([*[["key"]] * 29, HEADER, *ROWS]))) == 2
    assert (
        "none of the first 30 rows of its sheets (Sheet1, Sheet2, Sheet3) names the columns Subject, Filename"
        in refusal(write([*[["key"]] * 30, HEADER, *ROWS]))
    )


def test_missing_columns_are_named_with_what_is_there(write):
    said = refusal(write([["Key"], ["Subject", "Clip", "OnsetFrame"], *ROWS]))
    assert "Sheet1: the header on row 2 lacks the columns Filename; it has Subject, Clip, OnsetFrame" in said


def test_a_file_without_the_table_names_its_sheets_and_what_was_looked_for(write):
    said = refusal(write([["a", "b"], [1, 2]]))
    assert "none of the first 30 rows of its sheets (Sheet1, Sheet2, Sheet3)" in said
    assert "names the columns Subject, Filename, OnsetFrame; is it the annotation sheet?" in said


def test_a_header_without_rows_is_refused(write):
    assert "no rows below the header on row 1" in refusal(write([HEADER]))


def test_the_sheet_that_holds_the_table_is_chosen_whichever_it_is(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["nothing", "here"])
    scratch, table = book.create_sheet("scratch"), book.create_sheet("table")
    for row in (HEADER, ROWS[0]):
        scratch.append(row)
    for row in (HEADER, *ROWS):
        table.append(row)
    book.create_sheet("empty")
    book.save(tmp_path / "coding.xlsx")
    sheet = read_sheet(tmp_path / "coding.xlsx", COLUMNS)
    assert (sheet.title, len(sheet.rows)) == ("table", 2)


def test_of_two_columns_of_one_name_the_first_one_counts(write):
    assert cells(write([[*HEADER, "Onset Frame", "onsetframe"], [*ROWS[0], 99, 98]])) == [["01", "EP21_01f", 46, None]]


def test_a_sheet_that_says_it_ends_at_a1_is_read_whole(miniature, tmp_path):
    book = openpyxl.Workbook()
    for row in (HEADER, *ROWS):
        book.active.append(row)
    book.save(tmp_path / "whole.xlsx")
    with zipfile.ZipFile(tmp_path / "whole.xlsx") as old, zipfile.ZipFile(tmp_path / "coding.xlsx", "w") as new:
        for name in old.namelist():
            content = old.read(name)
            assert b'ref="A1:C3"' in content or not name.endswith("sheet1.xml")
            new.writestr(name, content.replace(b'ref="A1:C3"', b'ref="A1"'))
    assert len(cells(tmp_path / "coding.xlsx")) == 2


@pytest.mark.parametrize("cell", [46, 46.0, "46", " 46 ", "46.0"])
def test_a_number_may_be_stored_in_any_way(write, cell):
    assert cells(write([HEADER, ["01", "EP29f", cell]]))[0][2] == 46


@pytest.mark.parametrize("cell", ["/", "", "  ", " / ", None])
def test_a_blank_and_a_slash_are_missing(write, cell):
    assert cells(write([HEADER, ["01", "EP29f", cell]])) == [["01", "EP29f", None, None]]


@pytest.mark.parametrize(("cell", "text"), [("MISSING <-", "MISSING <-"), (46.5, "46.5"), (-3, "-3"), (True, "True")])
def test_what_is_no_frame_number_is_left_as_the_text_that_stands_there(write, cell, text):
    assert cells(write([HEADER, ["01", "EP29f", cell]]))[0][2] == text


def test_a_number_stays_whole_where_another_one_is_missing(write):
    numbers = [row[2] for row in cells(write([HEADER, *ROWS, ["03", "EP29f", None]]))]
    assert numbers == [46, 7, None]
    assert all(isinstance(number, int) for number in numbers[:2])


def test_text_that_looks_like_a_number_is_text_in_a_text_column(write):
    assert [row[0] for row in cells(write([HEADER, [1, "EP29f", 1], [2.0, "EP29f", 1], ["03", "EP29f", 1]]))] == [
        "1",
        "2",
        "03",
    ]


def test_rows_that_hold_something_in_other_columns_only_are_passed_over(write):
    assert len(cells(write([HEADER, *ROWS, [None, None, None, "total", 2]]))) == 2


def test_a_formula_without_a_stored_value_is_named_with_what_to_do(miniature, tmp_path):
    path = miniature.write_sheet(tmp_path / "coding.xlsx", [HEADER, ROWS[0], ["02", "EP29f", "=C2+1"]])
    said = refusal(path)
    assert "coding.xlsx, Sheet1: cell C3 holds a formula without a stored value" in said
    assert "open the file in a spreadsheet program and save it" in said


def test_a_formula_with_a_stored_value_is_that_value(miniature, tmp_path):
    path = miniature.write_sheet(tmp_path / "coding.xlsx", [HEADER, ROWS[0], ["02", "EP29f", "=C2+1"]])
    stored = tmp_path / "stored.xlsx"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(stored, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith("sheet1.xml"):
                assert b"<v></v>" in content or b"<v />" in content or b"<v/>" in content
                for empty in (b"<v></v>", b"<v />", b"<v/>"):
                    content = content.replace(empty, b"<v>47</v>")
            new.writestr(name, content)
    assert cells(stored)[1][2] == 47


def test_formulas_in_other_columns_do_no_harm(miniature, tmp_path):
    path = miniature.write_sheet(
        tmp_path / "coding.xlsx", [[*HEADER, "Duration"], [*ROWS[0], "=C2+1"], [None, "x", None]]
    )
    assert len(cells(path)) == 2


def locked_xls(miniature, folder):
    content = bytearray(miniature.write_sheet(folder / "good.xls", [HEADER, *ROWS]).read_bytes())
    begin = content.index(b"\x09\x08\x10\x00")  # the record after the first one is made to say: a password follows
    content[begin + 20 : begin + 22] = b"\x2f\x00"
    return bytes(content)


def locked_xlsx(miniature, folder):
    content = miniature.write_sheet(folder / "good.xls", [HEADER, *ROWS]).read_bytes()
    return content.replace("Workbook".encode("utf-16-le"), "Password".encode("utf-16-le"))


def good(miniature, folder, suffix=".xlsx"):
    return miniature.write_sheet(folder / f"good{suffix}", [HEADER, *ROWS]).read_bytes()


def other_zip(miniature, folder):
    with zipfile.ZipFile(folder / "other.zip", "w") as archive:
        archive.writestr("readme.txt", "no sheet")
    return (folder / "other.zip").read_bytes()


FILES = {
    "empty": (lambda *_: b"", "is empty: copy the annotation sheet again"),
    "a web page": (lambda *_: b"<html>404</html>", "is not an Excel file: copy the annotation sheet again"),
    "text": (lambda *_: b"Subject,Filename\n1,EP29f\n", "is not an Excel file: .*save it as .xlsx"),
    "half an .xlsx": (lambda *a: good(*a)[:2000], "it is damaged: .*copy it again"),
    "an .xlsx with zeros in it": (
        lambda *a: good(*a)[:900] + bytes(600) + good(*a)[1500:],
        "it is damaged: .*copy it again",
    ),
    "half an .xls": (lambda *a: good(*a, ".xls")[:1500], "it is damaged: .*copy it again"),
    "the head of an .xls": (lambda *a: good(*a, ".xls")[:600], "it is damaged: .*copy it again"),
    "another zip": (other_zip, "it is damaged: .*copy it again"),
    "an .xlsx with a password": (locked_xlsx, "protected by a password; open it in a spreadsheet program and save it"),
    "an .xls with a password": (locked_xls, "protected by a password; open it in a spreadsheet program and save it"),
}


@pytest.mark.parametrize(("make", "said"), FILES.values(), ids=FILES)
@pytest.mark.parametrize("name", ["coding.xlsx", "coding.xls"])
def test_a_file_that_can_not_be_read_is_one_line(miniature, tmp_path, name, make, said):
    path = tmp_path / name
    path.write_bytes(make(miniature, tmp_path))
    with pytest.raises(DataError, match=said):
        read_sheet(path, COLUMNS)
    assert str(path) in refusal(path)


def test_a_file_that_is_not_there_is_one_line(tmp_path):
    assert "coding.xlsx can't be read: No such file" in refusal(tmp_path / "coding.xlsx")


@pytest.mark.parametrize("suffix", [".xlsx", ".xls"])
def test_content_counts_and_not_the_extension(miniature, tmp_path, suffix):
    path = tmp_path / "coding.xlsx"
    path.write_bytes(good(miniature, tmp_path, suffix))
    assert len(cells(path)) == 2


def test_a_huge_sheet_is_refused_at_once(tmp_path):
    path = tmp_path / "coding.xlsx"
    book = openpyxl.Workbook(write_only=True)
    book.create_sheet("Sheet1").append(HEADER)
    book.save(path)
    row = b"<row><c><v>1</v></c><c><v>2</v></c></row>"
    with zipfile.ZipFile(path) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    sheet = next(name for name in parts if name.endswith("sheet1.xml"))
    parts[sheet] = parts[sheet].replace(b"</sheetData>", row * 100_000 + b"</sheetData>")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name, content in parts.items():
            new.writestr(name, content)
    assert "has more than 20000 rows: is it the right file?" in refusal(path)


def test_a_file_that_unpacks_to_more_than_any_sheet_is_not_unpacked(tmp_path):
    path = tmp_path / "coding.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("xl/big.xml", "w") as part:
        for _ in range(201):
            part.write(bytes(2**20))
    assert "is too large for an annotation sheet (201 MiB): is it the right file?" in refusal(path)


@given(st.binary(max_size=300), st.sampled_from([b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b""]))
def test_any_bytes_are_refused_in_one_line(tmp_path_factory, content, head):
    path = Path(tmp_path_factory.getbasetemp()) / "any.xlsx"
    path.write_bytes(head + content)
    assert str(path) in refusal(path)
