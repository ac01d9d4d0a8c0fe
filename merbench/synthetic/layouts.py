"""How each database writes its clips: folders, frames, annotation sheets, as templates; no row of a real sheet is here.

A template is filled with the facts of a clip, see :func:`facts`: ``s{subject:02d}``. Clips have numbers that real ones
do not have.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from merbench.contracts.action_units import ActionUnit
from merbench.synthetic.table import OBJECTIVE

_ROMAN = ("", "I", "II", "III", "IV", "V", "VI", "VII")
_SMIC = {"negative": 70, "positive": 51, "surprise": 43}
_SLOW = {"negative": 23, "positive": 28, "surprise": 20}


class _Sheet(NamedTuple):
    """An annotation sheet: file, title, and the columns, header -> template of its cells; equal rows are written once.

    Sheets with the same file are in one workbook. `above` rows precede the header; -1: there is none.
    """

    file: str
    title: str
    columns: tuple[tuple[str | None, str], ...]
    above: int = 0

    @property
    def header(self) -> list[str | None]:
        """The headers, in order; None for columns without one."""
        return [name for name, _ in self.columns]


class _Layout(NamedTuple):
    """The layout of a database.

    `words` are its emotion words as the sheet writes them, with the clips of each in a whole copy (made up where no
    source says); `subjects` are the numbers of its people there, `few` those of a small copy. A folder holds
    `in_folder` clips, with `margin` frames before and after each; ``first`` is the lowest number of its first frame.
    """

    fps: int
    subjects: tuple[int, ...]
    few: tuple[int, ...]
    words: Mapping[str, int]
    clip: str
    folder: str
    frame: str
    sheets: tuple[_Sheet, ...] = ()
    margin: int = 0
    first: tuple[int, int] = (1, 2)  # drawn from first[0] up to, not including, first[1]
    in_folder: int = 1
    stills: bool = False  # a clip is the picture at its apex, of a macro-expression
    people: str = ""  # layouts with the same people under the same numbers have the same word


def _columns(text: str, *cells: str) -> tuple[tuple[str | None, str], ...]:
    """Pair headers, separated by ``|``, with the templates of their cells; an empty header is a column without one."""
    return tuple(zip((name or None for name in text.split("|")), cells, strict=True))


_MARKS, _CLIP = ("{onset}", "{apex}", "{offset}"), "{clip}"
_CASME2_CLASSES = _columns("Subject|Filename|Objective Class", "{subject:02d}", _CLIP, "{objective}")
_SMIC_FOLDER = "{camera}/s{subject}/micro/{word}/{clip}"
_SLOW_PEOPLE = (*range(11, 16), 18, 19, 20)


def _smic(fps: int, subjects: tuple[int, ...], few: tuple[int, ...], words: Mapping[str, int], name: str) -> _Layout:
    """Return the layout of a camera of SMIC: no sheet, the clip's name gives the class."""
    folder = _SMIC_FOLDER.replace("{camera}", name)
    frame = "image{number:06d}.bmp"
    return _Layout(
        fps, subjects, few, words, "s{subject}_{code}_{index:02d}", folder, frame, first=(1, 5000), people="smic"
    )


LAYOUTS: dict[str, _Layout] = {
    "casme": _Layout(
        60, tuple(range(1, 20)), (1, 2, 3, 4),
        {"tense": 69, "disgust": 44, "repression": 38, "surprise": 20, "happiness": 9, "sadness": 6, "fear": 2,
         "contempt": 1},
        "EP{video}_{index}", "CASME_raw_selected/sub{subject:02d}/{clip}", "{clip}-{number:03d}.jpg",
        (_Sheet("casme.xlsx", "Sheet1", _columns(
            "Subject|Filename||OnsetF|ApexF1|ApexF2|OffsetF||AU|Emotion",
            "{subject}", _CLIP, "", "{onset}", "{apex}", "", "{offset}", "", "{aus}", "{emotion}")),),
        margin=3, first=(1, 60),
    ),
    "casme2": _Layout(
        200, tuple(range(1, 27)), (1, 2, 3, 4),
        {"others": 99, "disgust": 64, "happiness": 32, "repression": 27, "surprise": 25, "sadness": 7, "fear": 2},
        "EP{video}_{index:02d}", "CASME2-RAW/sub{subject:02d}/{clip}", "img{number}.jpg",
        (_Sheet("CASME2-coding-20190701.xlsx", "Sheet1", _columns(
            "Subject|Filename||OnsetFrame|ApexFrame|OffsetFrame||Action Units|Estimated Emotion",
            "{subject:02d}", _CLIP, "", *_MARKS, "", "{aus}", "{emotion}")),
         _Sheet("CASME2-ObjectiveClasses.xlsx", "Sheet1", _CASME2_CLASSES)),
        margin=3, first=(1, 60),
    ),
    "samm": _Layout(
        200, (6, 7, *range(9, 27), 28, *range(30, 38)), (6, 7, 9, 10),
        {"Anger": 57, "Other": 26, "Happiness": 26, "Surprise": 15, "Contempt": 12, "Disgust": 9, "Fear": 8,
         "Sadness": 6},
        "{subject:03d}_8_{index}", "SAMM/{subject:03d}/{clip}", "{subject:03d}_{number:05d}.jpg",
        (_Sheet("SAMM_Micro_FACS_Codes_v2.xlsx", "MICRO_ONLY", _columns(
            "Subject|Filename|Inducement Code|Onset Frame|Apex Frame|Offset Frame|Duration|Micro|Action Units"
            "|Estimated Emotion|Objective Classes|Notes",
            "{subject:03d}", _CLIP, "8", *_MARKS, "{length}", "Micro - 1/2", "{coded}", "{emotion}", "{roman}", ""),
            above=13),),
        first=(20, 8000), people="samm",
    ),
    "smic-hs": _smic(100, (*range(1, 7), 8, 9, *range(11, 16), 18, 19, 20), (1, 2, 11, 12, 13), _SMIC, "HS"),
    "smic-vis": _smic(25, _SLOW_PEOPLE, (11, 12, 13), _SLOW, "VIS"),
    "smic-nir": _smic(25, _SLOW_PEOPLE, (11, 12, 13), _SLOW, "NIR"),
    "smic-e-hs": _Layout(
        100, (*range(1, 7), 8, 9, *range(11, 16), 18, 19, 20), (1, 2), {"negative": 68, "positive": 50, "surprise": 43},
        "s{subject}_{code}_{index:02d}",
        "SMIC-E_raw image/HS_long/SMIC-HS-E/s{subject:02d}/s{subject:02d}_{code}_{index:02d}", "image{number:06d}.jpg",
        (_Sheet("SMIC-HS-E_annotation.xlsx", "HS", _columns(
            "Subject|Filename||OnsetF|OffsetF|Onset2F|Offset2F||FirstF|LastF|Emotion",
            "{subject}", _CLIP, "", "{onset}", "{offset}", "", "", "", "{begin}", "{end}", "{emotion}")),),
        margin=6, first=(1, 5000), people="smic",
    ),
    "cas-me-2": _Layout(
        30, tuple(range(1, 23)), (1, 2),
        {"negative": 21, "positive": 8, "surprise": 9, "others": 19, "macro-negative": 100, "macro-positive": 80,
         "macro-surprise": 20, "macro-others": 100},
        "made{video}_{index}", "rawpic/s{person}/{person}_{video:04d}made{video}", "img{number}.jpg",
        (_Sheet("CAS(ME)^2code_final.xlsx", "CASFEcode_final", _columns(
            "||||||||", "{subject}", _CLIP, *_MARKS, "{aus}", "{bare}", "{extent}-expression", "{bare}"), above=-1),
         _Sheet("CAS(ME)^2code_final.xlsx", "naming rule1", _columns(
             "||", "{subject}", "s{person}", "{subject}"), above=-1),
         _Sheet("CAS(ME)^2code_final.xlsx", "naming rule2", _columns("|", "{video:04d}", "made{video}"), above=-1)),
        margin=3, in_folder=4,
    ),
    "casme3": _Layout(
        30, tuple(range(1, 95)), (1, 2, 3, 4),
        {"disgust": 250, "surprise": 187, "others": 158, "Others": 3, "fear": 86, "anger": 64, "sad": 57, "happy": 55},
        "{letter}", "part_A/spNO.{subject}/{letter}/color", "{number}.jpg",
        (_Sheet("cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx", "label", _columns(
            "Subject|Filename|Onset|Apex|Offset|AU|Objective class|emotion",
            "spNO.{subject}", _CLIP, *_MARKS, "{aus}", "{roman}", "{emotion}")),),
        margin=3, in_folder=4,
    ),
    "casme3-c": _Layout(
        30, tuple(range(1, 31)), (1, 2, 3, 4), {"negative": 99, "surprise": 30, "others": 20, "positive": 16},
        "{index}", "part_C/spNO.{subject}/color", "{number}.jpg",
        (_Sheet("CAS(ME)3_part_C_ME.xlsx", "mockCrimeME", _columns(
            "sub|count|onset|offset|au|emotion",
            "{subject}", "{index}", "{onset}", "{offset}", "{commas}", "{emotion}")),),
        margin=3, in_folder=10_000,
    ),
    "casme3-macro": _Layout(
        30, tuple(range(1, 95)), (1, 2, 5), {"Macro-expression": 3346}, "{letter}",
        "part_A/spNO.{subject}/{letter}/color", "{number}.jpg",
        (_Sheet("CAS(ME)3_part_A_v2.xlsx", "AU+Emotion", _columns(
            "Subject|Filename|Onset|Apex|Offset|AU|Expression type|Objective class",
            "spNO.{subject}", _CLIP, *_MARKS, "{aus}", "{emotion}", "{roman}")),),
        margin=3, in_folder=4, people="casme3",
    ),
    "mmew": _Layout(
        90, tuple(range(1, 37)), (1, 2, 3, 4),
        {"happiness": 36, "surprise": 89, "anger": 8, "disgust": 72, "fear": 16, "sadness": 13, "others": 66},
        "S{subject:02d}-{place:02d}-{index:03d}", "MMEW_Final/Micro_Expression/{word}/{clip}", "{number}.jpg",
        (_Sheet("MMEW_Micro_Exp.xlsx", "Sheet1", _columns(
            "Subject|Filename|OnsetFrame|ApexFrame|OffsetFrame|Action Units|Estimated Emotion|remarks",
            "{subject}", _CLIP, *_MARKS, "{aus}", "{emotion}", "")),),
        people="mmew",
    ),
    "mmew-macro": _Layout(
        90, tuple(range(1, 37)), (1, 2, 5), dict.fromkeys(
            ("happiness", "surprise", "anger", "disgust", "fear", "sadness"), 60),
        "S{subject:02d}-{place:02d}-{index:03d}", "MMEW_Final/Macro_Expression/S{subject:02d}/{word}", "{clip}.jpg",
        people="mmew", stills=True,
    ),
    "4dme": _Layout(
        60, tuple(range(1, 42)), (1, 2, 3, 4),
        {"Negative": 120, "Positive": 40, "Surprise": 40, "Repression": 7, "Others": 40, "Surprise+Positive": 20},
        "S{subject}_1st_{index:03d}_01", "gray_micro/S{subject}/{clip}", "Frame_{number:09d}.jpg",
        (_Sheet("4DME_Labelling_Micro_release v1.xlsx", "Sheet1", _columns(
            "fold|sub_ID|fold_name|Onset|Apex|Offset|Emotion|AUs",
            "{subject}", "S{subject}", _CLIP, *_MARKS, "{emotion}", "{named}")),),
        first=(1, 900),
    ),
    "dfme": _Layout(
        200, tuple(range(1, 657)), (*range(1, 9), 300, 302, 303, 304),
        {"Anger": 1000, "Contempt": 500, "Disgust": 1500, "Fear": 900, "Happiness": 1200, "Sadness": 1000,
         "Surprise": 1400, "Others": 26},
        "sub{subject:04d}_{code}_{index}", "USTC_MEv4_{part}/micro/{word}/{clip}", "{number:04d}.png",
        (_Sheet("DFME_data_coding.xlsx", "Sheet1", _columns(
            "Subject|Filename|Onset|Apex|Offset|AUs|Emotion|fps",
            "sub{subject:04d}", _CLIP, *_MARKS, "{aus}", "{emotion}", "{fps}")),),
        margin=2,
    ),
    "samm-lv": _Layout(
        200, (6, 7, *range(9, 27), 28, *range(30, 38)), (6, 7), {"Micro - 1/2": 159, "Macro": 343},
        "{subject:03d}_{video}_{index}", "SAMM_longvideos/{subject:03d}_{video}",
        "{subject:03d}_{video}_{number:05d}.jpg",
        (_Sheet("SAMM_LongVideos_V3_Release.xlsx", "Sheet1", _columns(
            "Subject|Filename|Inducement Code|Onset|Apex|Offset|Duration|Type|Action Units|Notes",
            "{subject:03d}", _CLIP, "{video}", *_MARKS, "{length}", "{emotion}", "{coded}", ""), above=9),),
        margin=3, in_folder=4, people="samm",
    ),
}  # fmt: skip


def facts(name: str, subject: int, index: int, emotion: str) -> dict[str, Any]:
    """Return what is known of a clip before its frames: the `index`-th of a subject in a layout, from 1.

    Keys: subject, person (CAS(ME)^2's folder), index, emotion, word and bare (lower case; without ``macro-``), place
    and code of the emotion, extent (micro or macro), video and letter of its recording, fps, part (DFME's).
    """
    layout, bare = LAYOUTS[name], emotion.lower().removeprefix("macro-")
    recording = (index - 1) // layout.in_folder + 1
    fps = 500 if name == "dfme" and subject > 300 and subject % 2 else layout.fps
    return {
        "subject": subject,
        "person": subject + 14,
        "index": index + (50 if layout.in_folder == 1 else 0),
        "emotion": emotion,
        "word": emotion.lower(),
        "bare": bare,
        "place": list(layout.words).index(emotion) + 1,
        "code": "sur" if bare == "surprise" and layout.people == "smic" else bare[:2],
        "extent": "macro" if layout.stills or emotion.lower().startswith("macro") else "micro",
        "video": recording + (20 if layout.in_folder == 1 else 0),
        "letter": chr(ord("a") + min(recording - 1, 25)),
        "fps": fps,
        "part": _part(subject, fps),
    }


def coded(units: tuple[ActionUnit, ...], au_set: str) -> dict[str, Any]:
    """Return action units in the spellings of the sheets, and their objective class as number and numeral."""
    plain, roman = [f"{unit.side}{unit.number}" for unit in units], OBJECTIVE.get(au_set, "VII")
    return {
        "aus": "+".join(plain),
        "commas": ",".join(plain),
        "named": "+".join(f"AU{unit}" for unit in plain),
        "coded": "+".join(map(str, units)),
        "roman": roman,
        "objective": _ROMAN.index(roman),
    }


def filled(template: str, known: Mapping[str, Any]) -> Any:
    """Fill a template; one that is a single fact gives the fact itself, an empty one None."""
    name = template[1:-1]
    return known[name] if template == f"{{{name}}}" and name in known else template.format(**known) or None


def _part(subject: int, fps: int) -> str:
    """Name the part of DFME that a subject is in; the last one has a folder for each rate."""
    bounds = {"partA_sub0001_sub0015": 15, "partB_sub0016_sub0110": 110, "partC_sub0111_sub0300": 300}
    return next((part for part, last in bounds.items() if subject <= last), f"partD_sub0301_sub0671_{fps}fps")
