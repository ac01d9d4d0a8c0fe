import os
import re
import zipfile

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.refusals import refusal as refused

from merbench.contracts.errors import DataError
from merbench.databases.reading.sheets import SheetForm, read_sheet

FORM = SheetForm(
    "coding",
    "coding.xlsx",
    {"subject": ("Subject",), "clip": ("Filename", "Clip name"), "onset": ("OnsetFrame", "Onset"), "notes": ("Notes",)},
    optional=("notes",),
)
HEADER = ["Subject", "Filename", "OnsetFrame"]
ROWS = [["01", "EP21_01f", 46], ["02", "EP29f", 7]]


@pytest.fixture
def write(miniature, tmp_path):
    """Return a function that writes cells to an annotation sheet of each format, and returns the paths."""
    return lambda grid: [miniature.write_sheet(tmp_path / f"coding{suffix}", grid) for suffix in (".xlsx", ".xls")]


def cells(path):
    return read_sheet(path, FORM).rows.to_numpy().tolist()


@pytest.fixture
def rows(write):
    """Return a function that writes cells in each format and returns the rows that both are read as."""

    def read(grid):
        one, other = map(cells, write(grid))
        assert one == other
        return one

    return read


def refusal(path, case=""):
    return refused(read_sheet, path, FORM, case=case, error=DataError)


def zipped_anew(path, change):
    """Write a zip file again, with ``change(content)`` of its first sheet."""
    with zipfile.ZipFile(path) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    sheet = next(name for name in parts if name.endswith("sheet1.xml"))
    parts[sheet], before = change(parts[sheet]), parts[sheet]
    assert parts[sheet] != before
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name, content in parts.items():
            new.writestr(name, content)
    return path


def test_rows_keep_the_numbers_of_the_spreadsheet(write):
    for path in write([["A title"], [], HEADER, ROWS[0], [], ROWS[1]]):
        sheet = read_sheet(path, FORM)
        assert sheet.rows.index.tolist() == [4, 6]
        assert list(sheet.rows.columns) == list(FORM.columns)
        assert sheet.rows.to_numpy().tolist() == [["01", "EP21_01f", 46, None], ["02", "EP29f", 7, None]]
        assert sheet.where(6) == sheet.where(6, "notes") == f"{path.name}, Sheet1, row 6"
        assert sheet.where(6, "onset") == f"{path.name}, Sheet1, cell C6"


def test_a_header_is_known_in_any_spelling_order_and_row(rows, write):
    expected = [["01", "EP21_01f", 46, None]]
    for header in ("OnsetFrame", "Onset Frame", "onset_frame", " ONSET  FRAME ", "Onset\nFrame", "Onset"):
        assert rows([["subject", "FileName ", header], ROWS[0]]) == expected, header
    assert rows([[None, "Onset Frame", "x", "Filename", "Subject"], [None, 46, "y", "EP21_01f", "01"]]) == expected
    # Of two columns of one name, the first one counts.
    assert rows([[*HEADER, "Onset Frame", "onsetframe"], [*ROWS[0], 99, 98]]) == expected
    assert len(rows([*[["key"]] * 29, HEADER, *ROWS])) == 2
    for expected, grid in (
        ("first 30 rows of its sheets (Sheet1, Sheet2, Sheet3)", [*[["key"]] * 30, HEADER, *ROWS]),
        ("header on row 2 lacks the columns Filename; it has Subject, X, Onset", [["a"], ["Subject", "X", "Onset"]]),
        ("(Sheet1, Sheet2, Sheet3) names the columns Subject, Filename, OnsetFrame", [["a", "b"], [1, 2]]),
        ("no rows below the header on row 1", [HEADER]),
    ):  # fmt: skip
        for path in write(grid):
            assert expected in refusal(path, expected)


def test_the_sheet_that_holds_the_table_is_chosen(tmp_path):
    book = openpyxl.Workbook()
    for title, grid in {"Sheet": [["nothing", "here"]], "scratch": [HEADER, ROWS[0]], "table": [HEADER, *ROWS]}.items():
        sheet = book.active if title == "Sheet" else book.create_sheet(title)
        for row in grid:
            sheet.append(row)
    book.create_sheet("empty")
    book.save(tmp_path / "coding.xlsx")
    sheet = read_sheet(tmp_path / "coding.xlsx", FORM)
    assert (sheet.title, len(sheet.rows)) == ("table", 2)


def test_cells_of_number_and_text_columns(rows):
    numbers = (46, 46.0, "46", " 46 ", "46.0")
    missing = ("/", "", "  ", " / ", None)
    texts = {"MISSING <-": "MISSING <-", 46.5: "46.5", -3: "-3", True: "True"}
    found = [row[2] for row in rows([HEADER, *(["01", "EP29f", cell] for cell in (*numbers, *missing, *texts))])]
    assert found == [*[46] * 5, *[None] * 5, *texts.values()]
    assert all(isinstance(number, int) for number in found[:5])
    grid = [HEADER, [1, "EP29f", 1], [2.0, "EP29f", 1], ["03", "EP29f", 1], [None, None, None, "total", 2]]
    assert [row[0] for row in rows(grid)] == ["1", "2", "03"]  # a row without any of the columns is ignored


def test_a_formula_counts_by_its_stored_value(miniature, tmp_path):
    path = miniature.write_sheet(tmp_path / "coding.xlsx", [HEADER, ROWS[0], ["02", "EP29f", "=C2+1"]])
    assert "coding.xlsx, Sheet1: cell C3" in refusal(path)
    assert cells(zipped_anew(path, lambda xml: re.sub(rb"<v></v>|<v ?/>", b"<v>47</v>", xml)))[1][2] == 47
    grid = [[*HEADER, "Duration"], [*ROWS[0], "=C2+1"], [None, "x", None]]  # in another column
    assert len(cells(miniature.write_sheet(path, grid))) == 2


def test_wrong_dimensions_are_ignored_and_huge_sheets_refused(miniature, tmp_path):
    path = miniature.write_sheet(tmp_path / "coding.xlsx", [HEADER, *ROWS])
    wrong = b'<dimension ref="A1"/><sheetData>'
    assert len(cells(zipped_anew(path, lambda xml: xml.replace(b"<sheetData>", wrong)))) == 2
    row = b"<row><c><v>1</v></c><c><v>2</v></c></row>"
    zipped_anew(path, lambda xml: xml.replace(b"</sheetData>", row * 25_000 + b"</sheetData>"))
    assert "has more than 20000 rows" in refusal(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("xl/big.xml", "w") as part:
        for _ in range(201):
            part.write(bytes(2**20))
    assert "(201 MiB)" in refusal(path)  # without unpacking it


def good(miniature, folder, suffix=".xlsx"):
    return miniature.write_sheet(folder / f"good{suffix}", [HEADER, *ROWS]).read_bytes()


def locked_xls(miniature, folder):
    content = bytearray(good(miniature, folder, ".xls"))
    begin = content.index(b"\x09\x08\x10\x00")  # the record after the first one is made to say: a password follows
    content[begin + 20 : begin + 22] = b"\x2f\x00"
    return bytes(content)


def locked_xlsx(*given):
    return good(*given, ".xls").replace("Workbook".encode("utf-16-le"), "Password".encode("utf-16-le"))


def other_zip(miniature, folder):
    with zipfile.ZipFile(folder / "other.zip", "w") as archive:
        archive.writestr("readme.txt", "no sheet")
    return (folder / "other.zip").read_bytes()


FILES = {
    "empty": (lambda *_: b"", "is empty"),
    "text": (lambda *_: b"Subject,Filename\n1,EP29f\n", "is not an Excel file: .*save it as .xlsx"),
    "half an .xlsx": (lambda *a: good(*a)[:2000], "it is damaged"),
    "an .xlsx with zeros in it": (lambda *a: good(*a)[:900] + bytes(600) + good(*a)[1500:], "it is damaged"),
    "half an .xls": (lambda *a: good(*a, ".xls")[:1500], "it is damaged"),
    "another zip": (other_zip, "it is damaged"),
    "an .xlsx with a password": (locked_xlsx, "password"),
    "an .xls with a password": (locked_xls, "password"),
}


def test_files_are_recognised_by_content_or_refused(miniature, tmp_path):
    for name in ("coding.xlsx", "coding.xls"):
        path = tmp_path / name
        assert f"{path} can't be read: No such file" in refusal(path)
        for case, (make, expected) in FILES.items():
            path.write_bytes(make(miniature, tmp_path))
            line = refusal(path, case)
            assert str(path) in line
            assert re.search(expected, line), (case, line)
        for suffix in (".xlsx", ".xls"):
            path.write_bytes(good(miniature, tmp_path, suffix))
            assert len(cells(path)) == 2, (name, suffix)


@given(st.binary(max_size=300), st.sampled_from([b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b""]))
def test_any_bytes_are_refused_in_one_line(tmp_path_factory, content, head):
    path = tmp_path_factory.getbasetemp() / "any.xlsx"
    path.write_bytes(head + content)
    assert str(path) in refusal(path)


def test_gaps_pipes_and_devices_end_at_once(miniature, tmp_path):
    path = miniature.write_sheet(tmp_path / "coding.xlsx", [HEADER, *ROWS])
    far = b'<row r="1000000000"><c r="A1000000000"><v>1</v></c></row>'
    assert len(cells(zipped_anew(path, lambda xml: xml.replace(b"</sheetData>", far + b"</sheetData>")))) == 2
    (tmp_path / "pipe").mkdir()
    os.mkfifo(tmp_path / "pipe" / "coding.xlsx")
    (tmp_path / "zero.xlsx").symlink_to("/dev/zero")
    for strange in (tmp_path / "pipe" / "coding.xlsx", tmp_path / "zero.xlsx"):
        assert "is a pipe or a device, not an annotation sheet" in refusal(strange)
