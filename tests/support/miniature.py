"""Miniature copies of databases, in their own layouts and sheet formats: a few clips, tiny pictures, made-up rows.

The rows show what real sheets are known to hold: subjects as text and as numbers, action units as numbers and in every
spelling, an apex that is ``/``, outside its clip or equal to the onset, names in several forms.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import xlwt

from merbench.synthetic.copies import write_book
from merbench.synthetic.layouts import LAYOUTS

Grid = list[list[Any]]

# Subject, Filename, OnsetFrame, ApexFrame, OffsetFrame, Action Units, Estimated Emotion; then the objective class.
CASME2_ROWS = [
    ["01", "EP21_01f", 46, 49, 53, 12, "happiness", 1],
    ["01", "EP21_02", 3, 5, 8, "4+L10", "disgust", 4],
    ["02", "EP26_02_01", 10, "/", 15, "?", "others", 7],
    ["02", "EP29f", 7, 30, 12, "L1+L2", "surprise", 2],
    [3, "EP21_2", 5, 5, 9, "4 + 7", "repression", 3],
    [3, "EP27_03f", 1, 4, 6, None, "sadness", 5],
]
# Subject, Filename, Onset, Apex, Offset, Action Units, Estimated Emotion, Objective Classes; the digits of a frame.
SAMM_ROWS = [
    ["006", "006_8_1", 562, 565, 570, "A12B+R15", "Happiness", "I", 5],
    ["006", "006_8_2", 99, 101, 104, "(R6 or R12)+R15", "Contempt", "VII", 4],
    ["011", "011_9_1", 12340, 12350, 12345, "10A/B", "Disgust", "IV", 5],
    ["030", "030_8_1", 5, 7, 9, "soft focus", "Other", "VII", 5],
]
# Clip as its folder is called, first and last frame, digits of a frame.
SMIC_CLIPS = [
    ["s1_ne_51", 100, 106, 6],
    ["s1_po_51", 20, 23, 6],
    ["s3_sur_51", 9, 12, 6],
    ["s11_ne_52", 1234567, 1234571, 6],
    ["s11_po_51", 1, 5, 5],
]
# Of each further database: sheet, header, rows; folder of frames -> first and last frame, name.
_EP, _E = "CASME_raw_selected/sub{:02d}/{}", "SMIC-E_raw image/HS_long/SMIC-HS-E"
FURTHER: dict[str, tuple[str, Grid, dict[str, tuple[int, int, str]]]] = {
    "casme": (
        "casme.xlsx",
        [
            LAYOUTS["casme"].sheets[0].header,
            [1, "EP41_5", None, 12, 14, 15, 18, None, 4, "tense"],
            [7, "EP42_1f", None, 9, 10, None, 13, None, "1+2", "Surprise"],
        ],
        {_EP.format(1, "EP41_5"): (9, 20, "EP41_5-{}.jpg"), _EP.format(7, "EP42_1f"): (8, 14, "EP42_1f-{:03d}.jpg")},
    ),
    "mmew": (
        "MMEW_Micro_Exp.xlsx",
        [
            ["Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Action Units", "Emotion", "remarks"],
            [3, "S03-01-052", 1, 4, 8, "6+12", "happiness", None],
            ["S13", "S13-07-051", 1, "/", 5, None, "others", "x"],
        ],
        {
            "MMEW_Final/Micro_Expression/happiness/S03-01-052": (1, 9, "{}.jpg"),
            "MMEW_Final/Micro_Expression/others/S13-07-051": (1, 5, "{}.jpg"),
            "MMEW_Final/Macro_Expression/S13/happiness": (1, 1, "S13-01-{:03d}.jpg"),
        },
    ),
    "mmew-macro": (
        "",
        [],
        {
            "MMEW_Final/Macro_Expression/S13/happiness": (1, 3, "S13-01-{:03d}.jpg"),
            "MMEW_Final/Macro_Expression/S3/fear": (1, 1, "S03-05-{:03d}.jpg"),
        },
    ),
    "casme3": (
        "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx",
        [
            LAYOUTS["casme3"].sheets[0].header,
            ["spNO.1", "a", "4", "6", "9", "4+7", "III", "disgust"],
            ["spNO.1", "a", "12", "12", "15", "12", "I", "Others"],
            ["spNO.40", "E", "3", "4", "0", None, "VII", "fear"],
            ["spNO.40", "E", "3", "4", "5", "1", "II", "fear"],
        ],
        {"part_A/spNO.1/a/color": (1, 16, "{}.jpg"), "part_A/spNO.1/b/color": (1, 2, "{}.jpg"),
         "part_A/spNO.1/a/depth": (1, 2, "{}.png"), "part_A/spNO.40/e/color": (1, 6, "{}.jpg")},
    ),
    "casme3-c": (
        "CAS(ME)3_part_C_ME.xlsx",
        [
            LAYOUTS["casme3-c"].sheets[0].header,
            [1, 1, 4, 9, "4,L7\uff0c", "negative"],
            [1, 2, 12, 15, "13?,", "surprise"],
            [12, 1, 3, 6, None, "others"],
        ],
        {"part_C/spNO.1/color": (1, 16, "{}.jpg"), "part_C/spNO.1/depth": (1, 2, "{}.png"),
         "part_C/spNO.12/color": (1, 8, "{}.jpg")},
    ),
    "casme3-macro": (
        "CAS(ME)3_part_A_v2.xls",
        [
            LAYOUTS["casme3-macro"].sheets[0].header,
            ["spNO.1", "a", 4, 6, 9, "4+7", "Macro-expression", "III"],
            ["spNO.1", "A", 12, 13, 15, "4+L14+L14", "Macro-expression", "VII"],
            ["spNO.1", "a", 12, 13, 14, "4", "Micro-expression", "III"],
            ["spNO.40", "e", 3, 3, 5, None, "Macro-expression", None],
        ],
        {"part_A/spNO.1/a/color": (1, 16, "{}.jpg"), "part_A/spNO.1/b/color": (1, 2, "{}.jpg"),
         "part_A/spNO.40/e/color": (1, 6, "{}.jpg")},
    ),
    "dfme": (
        "DFME_data_coding.xlsx",
        [
            LAYOUTS["dfme"].sheets[0].header,
            ["sub0003", "sub0003_ha_51", 4, 6, 9, "6+12", "Happiness", 200],
            ["sub0310", "sub0310_an_51", 2, 3, 5, "4", "Anger", 500],
            ["sub0310", "sub0310_an_52", 1, 3, 5, "4", "Others", 500],
        ],
        {"USTC_MEv4_partA_sub0001_sub0015/micro/happiness/sub0003_ha_51": (1, 12, "{:04d}.png"),
         "USTC_MEv4_partD_sub0301_sub0671_500fps/micro/anger/sub0310_an_51": (1, 8, "{:04d}.png"),
         "USTC_MEv4_partD_sub0301_sub0671_500fps/micro/others/sub0310_an_52": (1, 8, "{:04d}.png"),
         "USTC_MEv4_partD_sub0301_sub0671_500fps/macro/anger/sub0310_an_01": (1, 2, "{:04d}.png")},
    ),
    "4dme": (
        "4DME_Labelling_Micro_release v1.xlsx",
        [
            ["fold", "sub_ID", "fold_name", "Onset", "Apex", "Offset", "Emotion", "AUs", "Positive", "Surprise"],
            [1, "S13", "S13_1st_051_01", 12, 14, 16, "Surprise+Positive", "AU1+AU2(k)", 1, 1],
            [1, "S2", "S2_1st_051_02", 1, 2, 5, "Negative", "4", 0, 0],
        ],
        {"gray_micro/S13/S13_1st_051_01": (12, 16, "Frame_{:09d}.jpg"),
         "gray_micro/S2/S2_1st_051_02": (1, 5, "Frame_{:09d}.jpg")},
    ),
    "cas-me-2": (
        "CAS(ME)^2code_final.xlsx",
        [
            [1, "disgust1_1", 12, 15, 20, "4+10", "negative", "micro-expression", "disgust"],
            [1, "disgust1_2", 30, 0, 36, 4, "negative", "macro-expression", "disgust"],
            [2, "happy5_1", 3, 5, 0, 12, "positive", "macro-expression", "happy"],
            [2, "happy5_2", 3, 5, 9, 12, "positive", "macro-expression", "happy"],
        ],
        {"rawpic/s15/15_0101disgustingmade": (1, 40, "img{}.jpg"), "rawpic/s16/16_0505made": (1, 10, "img_{}.jpg")},
    ),
    "samm-lv": (
        "SAMM_LongVideos_V2_Release.xlsx",
        [
            *[["A made-up sheet"]] * 9,
            ["Subject", "Filename", "Inducement Code", "Onset", "Apex", "Offset", "Duration", "Type", "Action Units"],
            ["006", "006_1_2", 1, 62, 65, 70, 9, "Micro - 1/2", "A12B"],
            [6, "006_1_1", 1, 58, 59, 64, 7, "Macro", "4"],
            [7, "007_4_1", 4, 3, 3, 9, 7, "Macro", "4"],
        ],
        {"SAMM_longvideos/006_1": (55, 72, "006_1_{:05d}.jpg"), "SAMM_longvideos/007_4": (1, 9, "007_4_{:04d}.jpg")},
    ),
    "smic-e-hs": (
        "SMIC-HS-E_annotation.xlsx",
        [
            ["Subject", "Filename", "", "OnsetF", "OffsetF", "Onset2F", "Offset2F", "", "FirstF", "Emotion"],
            [3, "s3_ne_02", None, 14, 18, 21, 24, None, 10, "negative"],
            [11, "s11_po_51", None, 5, 8, None, None, None, "MISSING <-", "negative"],
            ["made up"],
        ],
        {f"{_E}/s03/s03_ne_02": (10, 26, "image{:06d}.jpg"), f"{_E}/s11/s11_po_51": (1, 9, "image{:06d}.jpg")},
    ),
}  # fmt: skip
#: Titles and further sheets of a file: the naming rules of CAS(ME)^2.
OF_SHEETS: dict[str, Any] = {
    "cas-me-2": {
        "titles": ("CASFEcode_final", "naming rule1", "naming rule2"),
        "further": ([[1, "s15", 1], [2, "s16", 2]], [[101, "disgust1"], ["0505", "happy5"]]),
    }
}
_SMIC_CLASSES = {"ne": "negative", "po": "positive", "sur": "surprise"}


def write_casme2(
    folder: Path,
    rows: Sequence[Sequence[Any]] = CASME2_ROWS,
    sheet: str | None = "CASME2-coding-20140508.xlsx",
    classes: str | None = "CASME2-ObjectiveClasses.xlsx",
    tree: str = "CASME2-RAW",
    prefix: str = "img",
) -> Path:
    """Write a copy of CASME II and return `folder`; each clip has two frames before onset and after offset."""
    for subject, clip, onset, _, offset, *_ in rows:
        numbers = range(max(onset - 2, 1), offset + 3)
        write_frames(folder / tree / f"sub{int(subject):02d}" / clip, numbers, prefix + "{}.jpg")
    if sheet:
        write_sheet(folder / sheet, casme2_grid(rows))
    if classes:
        grid = [["Subject", "Filename", "Objective Class"], *([*row[:2], row[7]] for row in rows)]
        write_sheet(folder / classes, grid)
    return folder


def casme2_grid(rows: Sequence[Sequence[Any]] = CASME2_ROWS) -> Grid:
    """Return the cells of CASME II's sheet: two columns without a name, the header on row 1."""
    frames, coded = ("OnsetFrame", "ApexFrame", "OffsetFrame"), ("Action Units", "Estimated Emotion")
    header = ["Subject", "Filename", None, *frames, None, *coded]
    return [header, *([*row[:2], None, *row[2:5], None, *row[5:7]] for row in rows)]


def write_samm(
    folder: Path,
    rows: Sequence[Sequence[Any]] = SAMM_ROWS,
    sheet: str | None = "SAMM_Micro_FACS_Codes_v2.xlsx",
    tree: str = "SAMM",
    preamble: int = 13,
) -> Path:
    """Write a copy of SAMM and return `folder`; `preamble` rows stand above the sheet's header."""
    for subject, clip, onset, _, offset, *_, digits in rows:
        place = folder / tree / f"{int(subject):03d}" / clip
        write_frames(place, range(onset, offset + 1), f"{int(subject):03d}_{{:0{digits}d}}.jpg")
    if sheet:
        write_sheet(folder / sheet, samm_grid(rows, preamble), titles=("MICRO_ONLY",))
    return folder


def samm_grid(rows: Sequence[Sequence[Any]] = SAMM_ROWS, preamble: int = 13) -> Grid:
    """Return the cells of SAMM's sheet: title and key, the header, a formula in the column Duration."""
    words = "Subject,Filename,Inducement Code,Onset Frame,Apex Frame,Offset Frame,Duration,Micro"
    header = [*words.split(","), "Action Units", "Estimated Emotion", "Objective Classes", "Notes"]
    key = [["A made-up sheet"], [], ["Symbol", "Meaning"], ["/", "or"]]
    filled = [
        [*row[:2], row[1][4], *row[2:5], f"=F{line}-D{line}+1", "Micro - 1/2", *row[5:8], None]
        for line, row in enumerate(rows, start=preamble + 2)
    ]
    return [*(key + [[]] * preamble)[:preamble], header, *filled]


def write_smic(
    folder: Path, clips: Sequence[Sequence[Any]] = SMIC_CLIPS, tree: str = "HS", prefix: str = "image", side: int = 8
) -> Path:
    """Write a copy of SMIC-HS and return `folder`."""
    for clip, first, last, digits in clips:
        subject, code, _ = clip.split("_")
        place = folder / tree / subject / "micro" / _SMIC_CLASSES[code] / clip
        write_frames(place, range(first, last + 1), f"{prefix}{{:0{digits}d}}.bmp", side)
        (folder / tree / subject / "non_micro").mkdir(exist_ok=True)
    return folder


def write_further(folder: Path, name: str, tree: str = "") -> Path:
    """Write a copy of a database of :data:`FURTHER`, or of a slower camera of SMIC, and return `folder`."""
    if name not in FURTHER:
        clips = [clip for clip in SMIC_CLIPS if clip[0].startswith("s11")]
        return write_smic(folder, clips, tree or name.rpartition("-")[2].upper())
    sheet, grid, folders = FURTHER[name]
    for place, (first, last, frame) in folders.items():
        write_frames(folder / tree / place, range(first, last + 1), frame)
    if sheet:
        write_sheet(folder / sheet, grid, **OF_SHEETS.get(name, {}))
    return folder


def write_frames(place: Path, numbers: Iterable[int], name: str, side: int = 8) -> None:
    """Write a picture for each number, named by formatting `name` with it; a pattern that moves with the number."""
    place.mkdir(parents=True, exist_ok=True)
    y, x = np.mgrid[:side, :side]
    for number in numbers:
        picture = ((13 * (x + number) + 7 * y) % 256).astype(np.uint8)
        written, content = cv2.imencode(Path(name).suffix, cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR))
        assert written
        (place / name.format(number)).write_bytes(content.tobytes())


def picture(width: int, height: int) -> bytes:
    """Return a black JPEG."""
    return cv2.imencode(".jpg", np.zeros((height, width, 3), np.uint8))[1].tobytes()


def write_sheet(
    path: Path, grid: Grid, titles: Sequence[str] = ("Sheet1", "Sheet2", "Sheet3"), further: Sequence[Grid] = ()
) -> Path:
    """Write cells to the first sheet of an Excel file, .xlsx or .xls, and `further` to the next; others are empty."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".xls":
        book = xlwt.Workbook()
        sheets = [book.add_sheet(title) for title in titles]
        for number, row in enumerate(grid):
            for place, cell in enumerate(row):
                if cell is not None:
                    sheets[0].write(number, place, cell)
    else:
        grids = [grid, *further]
        write_book(path, {title: grids[place] if place < len(grids) else [] for place, title in enumerate(titles)})
        return path
    book.save(path)
    return path


def clip_notes(reading: Any) -> list[tuple[str, str, str]]:
    """Return clip, kind and text of a reading's notes on clips, sorted."""
    return sorted((note.about, note.kind, note.text) for note in reading.notes if note.about)


def copy_notes(reading: Any) -> list[str]:
    """Return a reading's notes on the copy as a whole."""
    return [note.text for note in reading.notes if not note.about]
