"""Every protocol of merbench on clip tables with the counts of the databases' sheets, against straight-line loops."""

import itertools
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import KFold
from support.refusals import refusal

from merbench.contracts.action_units import read_coding
from merbench.contracts.clips import clip_names, clip_table
from merbench.contracts.errors import DataError
from merbench.engine.plan.catalogue import PROTOCOLS
from merbench.engine.plan.catalogue import protocol as find_protocol
from merbench.splits.split import make_split

SMIC = {"smic-hs": "smic", "smic-vis": "smic", "smic-nir": "smic"}

# What the sheets say: emotion -> clips, subjects. casme2 is the sheet of 2019 with its 256 rows.
EMOTIONS = {
    "casme2": ({"others": 99, "disgust": 64, "happiness": 32, "repression": 27, "surprise": 25, "sadness": 7,
                "fear": 2}, 26),
    "samm": ({"anger": 57, "other": 26, "happiness": 26, "surprise": 15, "contempt": 12, "disgust": 9, "fear": 8,
              "sadness": 6}, 29),
    "smic-hs": ({"negative": 70, "positive": 51, "surprise": 43}, 16),
    "smic-vis": ({"negative": 23, "positive": 28, "surprise": 20}, 8),
    "smic-nir": ({"negative": 23, "positive": 28, "surprise": 20}, 8),
    "casme": ({"tense": 69, "disgust": 44, "repression": 38, "surprise": 20, "happiness": 9, "sadness": 6, "fear": 2,
               "contempt": 1}, 19),
    "casme3": ({"disgust": 250, "surprise": 187, "others": 161, "fear": 86, "anger": 64, "sad": 57, "happy": 55}, 94),
    "casme3-c": ({"negative": 99, "surprise": 30, "others": 20, "positive": 16}, 30),
    "mmew": ({"happiness": 36, "surprise": 89, "anger": 8, "disgust": 72, "fear": 16, "sadness": 13, "others": 66}, 30),
    # The distributions of these two over the classes are not known.
    "4dme": ({"negative": 120, "positive": 40, "surprise": 30, "repression": 20, "others": 37, "positive+surprise": 20},
             41),
    "dfme": (dict.fromkeys(("anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise", "others"), 30),
             40),
}  # fmt: skip
OBJECTIVE = {
    "casme2": ({"I": 25, "II": 15, "III": 99, "IV": 26, "V": 20, "VI": 2, "VII": 68}, 26),
    "samm": ({"I": 24, "II": 13, "III": 20, "IV": 8, "V": 3, "VI": 7, "VII": 84}, 29),
}
# Subjects who show one thing only.
ALONE = {("casme2", "others"): ("sub10", "sub18"), ("samm", "other"): ("025",)}
OBJECTIVE_ALONE = {("samm", "VII"): tuple(f"v{i}" for i in range(8))}
NOT_IN_THE_LIST = [("sub04", "EP12_01f"), ("sub05", "EP09_05f"), ("sub24", "EP02_07")]  # all disgust
FEW = ("disgust", "fear", "sadness")  # of SAMM; all that 024 and 036 show


#: Protocol -> how a loop labels an emotion, and how many clips the literature counts; other emotions are excluded.
#: Written from the knowledge of the field, not the files.
NEGATIVE = ("anger", "contempt", "disgust", "fear", "repression", "sadness", "sad")
THREE = {**dict.fromkeys(NEGATIVE, "negative"), "happiness": "positive", "happy": "positive", "surprise": "surprise"}
AS_IT_IS = {word: word for counts, _ in EMOTIONS.values() for word in counts if "+" not in word}


def _without(mapping, *words):
    return {word: label for word, label in mapping.items() if word not in words}


def _only(*words):
    return {word: word for word in words}


MAPS = {
    "casme2-3": (_without(THREE, "sadness", "fear"), 145),
    "casme2-3-fear-sadness": (THREE, 156),
    "casme2-4": ({**THREE, "others": "others", "repression": "others"}, 255),
    "casme2-5": (_without(AS_IT_IS, "sadness", "fear"), 247),
    "casme2-5-246": (_without(AS_IT_IS, "sadness", "fear"), 246),
    "samm-3": (THREE, 133),
    "samm-5": (_without(AS_IT_IS, "disgust", "fear", "sadness"), 136),
    "samm-7": (_without(AS_IT_IS, "other"), 133),
    "casme-3": (THREE, 120),
    "casme-4": (_only("tense", "disgust", "repression", "surprise"), 171),
    "casme3-3": (THREE, 699),
    "casme3-4": ({**THREE, "others": "others"}, 860),
    "mmew-4": (_only("happiness", "surprise", "disgust", "others"), 263),
    "mmew-6": (_without(AS_IT_IS, "others"), 234),
    "4dme-3": (_only("negative", "positive", "surprise"), 190),
    **{name: (AS_IT_IS, count) for name, count in (
        ("casme2-7", 255), ("samm-8", 159), ("smic-hs-3", 164), ("smic-vis-3", 71), ("smic-nir-3", 71),
        ("casme-8", 189), ("casme3-7", 860), ("casme3-c-4", 165), ("mmew-7", 300), ("4dme-5", 247),
    )},
}  # fmt: skip
LATER, NO_APEX = "casme2/sub24/EP02_07", ("casme2/sub04/EP12_01f", "casme2/sub05/EP09_05f")
DROPPED = {
    "casme2-3": (LATER, *NO_APEX),
    **dict.fromkeys(("casme2-3-fear-sadness", "casme2-4", "casme2-5-246", "casme2-7"), (LATER,)),
}


def _rows(dataset, counts, subjects, alone, column):
    """Deal clips of each word to subjects in turn; those in `alone` get one clip of their word and nothing else."""
    counts = Counter(counts)
    lone = {name: word for (where, word), names in alone.items() if where == dataset for name in names}
    names = [(name, "only", word) for name, word in lone.items()]
    counts.subtract(lone.values())
    if isinstance(subjects, int):
        subjects = [f"p{number:03d}" for number in range(subjects - len(lone))]
    dealt = [(word, turn) for word, count in counts.items() for turn in range(count)]
    names += [(subjects[turn % len(subjects)], f"{word}_{turn}", word) for word, turn in dealt]
    return [{"dataset": dataset, "subject": subject, "clip": clip, column: word} for subject, clip, word in names]


def _rows_of_the_organisers(dataset):
    """Give the clips of MEGC 2019 their real names, and deal the words that it leaves out to its subjects."""
    official, (words, _) = find_protocol("megc2019").official(), MAPS[f"{dataset}-3"]
    listed, counts = official[official.dataset == dataset], Counter(EMOTIONS[dataset][0])
    names = [(*name, "disgust") for name in NOT_IN_THE_LIST if dataset == "casme2"]
    counts.subtract(word for *_, word in names)
    for row in sorted(listed.itertuples(index=False), key=lambda row: row.subject not in ("024", "036")):
        word = next(word for word in (*FEW, *counts) if counts[word] and words.get(word) == row[3])
        names.append((row.subject, row[2], word))
        counts[word] -= 1
    rows = [{"dataset": dataset, "subject": subject, "clip": clip, "emotion": word} for subject, clip, word in names]
    return rows + _rows(dataset, counts, sorted(set(listed.subject) - {"024", "036"}), ALONE, "emotion")


@pytest.fixture(scope="module")
def clips():
    """Return the clips of every database, with as many of each emotion as its sheet has."""
    rows = [row for name in ("casme2", "samm", "smic-hs") for row in _rows_of_the_organisers(name)]
    others = [row for d, of in list(EMOTIONS.items())[3:] for row in _rows(d, *of, ALONE, "emotion")]
    return clip_table(pd.DataFrame(rows + others), "made with the counts of the sheets")


@pytest.fixture(scope="module")
def objective():
    """Return the clips of CASME II and SAMM with as many of each objective class as their sheets have."""
    rows = [row for d, of in OBJECTIVE.items() for row in _rows(d, *of, OBJECTIVE_ALONE, "objective_class")]
    later = {"dataset": "casme2", "subject": "sub24", "clip": "EP02_07"}
    return clip_table(pd.DataFrame([*rows, later]), "made with the counts of the sheets")


def _dataset(name):
    return next(d for d in sorted(EMOTIONS, key=len, reverse=True) if name.startswith(f"{d}-"))


def _as_names(split):
    names = clip_names(split.clips)
    return {f.name: (sorted(names[i] for i in f.train), sorted(names[i] for i in f.test)) for f in split.folds}


def _by_name(split):
    truth = split.truth()
    return dict(zip(clip_names(truth), truth.truth, strict=True))


def _loop(clips, mapping, dropped=()):
    """Select, label and hold out subject by subject, one clip after the other."""
    words = {f"{row.dataset}/{row.subject}/{row.clip}": row.emotion for row in clips.itertuples()}
    labels = {name: mapping[word] for name, word in words.items() if word in mapping and name not in dropped}
    folds = {}
    for held in sorted({name.rsplit("/", 1)[0] for name in labels}):
        test = sorted(name for name in labels if name.rsplit("/", 1)[0] == held)
        folds[held] = (sorted(set(labels) - set(test)), test)
    return labels, folds


def test_protocols_of_one_database_equal_plain_loops(clips):
    others = {"megc2019", "megc2018-cde", "megc2018-hde", "dfme-7", "cd6me", *AU_SETS}  # tested elsewhere
    left = {name for name in PROTOCOLS.names() if not name.startswith(("cdmer-", "toy-"))}
    assert left == {*MAPS, *others}
    for name, (mapping, count) in MAPS.items():
        here = clips[clips.dataset == _dataset(name)]
        split = make_split(find_protocol(name), here)  # as real clips: counts and lists bind
        labels, folds = _loop(here, mapping, DROPPED.get(name, ()))
        assert _by_name(split) == labels, name
        assert _as_names(split) == folds, name
        assert len(labels) == count, name
        assert split.differences == [], name
    whole = find_protocol("megc2019").official()
    assert list(_by_name(make_split(find_protocol("megc2019"), clips)).values()) == whole["class"].tolist()
    for name in ("casme2-3", "samm-3", "smic-hs-3"):
        part = whole[whole.dataset == _dataset(name)].reset_index(drop=True)
        pd.testing.assert_frame_equal(find_protocol(name).official(), part)
    # The sheet of 2014 fits all but one protocol.
    older = clips[(clips.dataset == "casme2") & ~((clips.subject == "sub24") & (clips["clip"] == "EP02_07"))]
    for name in ("casme2-3", "casme2-3-fear-sadness", "casme2-4", "casme2-5-246", "casme2-7"):
        assert make_split(find_protocol(name), older).differences == []
    line = refusal(make_split, find_protocol("casme2-5"), older, error=DataError)
    assert "246 clips instead of 247; 63 clips of class disgust instead of 64" in line


def test_dfme_has_the_folds_of_scikit_learns_k_fold(clips):
    split = make_split(find_protocol("dfme-7"), clips)
    names = list(_loop(clips[clips.dataset == "dfme"], _without(AS_IT_IS, "others"))[0])
    subjects, plain = np.unique([name.rsplit("/", 1)[0] for name in names]), {}
    for number, (_, tested) in enumerate(KFold(10, shuffle=True, random_state=1).split(subjects), start=1):
        test = sorted(name for name in names if name.rsplit("/", 1)[0] in subjects[tested])
        plain[f"fold-{number:02d}"] = (sorted(set(names) - set(test)), test)
    assert _as_names(split) == plain
    assert [len(test) for _, test in plain.values()] == [21] * 10


def test_megc_2018_has_objective_classes_of_253_clips(objective):
    split = make_split(find_protocol("megc2018-cde"), objective)
    classes = objective[objective.objective_class.isin(["I", "II", "III", "IV", "V"])]
    assert _by_name(split) == dict(zip(clip_names(classes), classes.objective_class.str.lower(), strict=True))
    assert Counter(split.truth().truth) == {"i": 49, "ii": 28, "iii": 119, "iv": 34, "v": 23}
    assert len(split.folds) == 47
    spec = find_protocol("megc2018-hde")
    names = sorted(clip_names(split.clips))
    by = {d: [n for n in names if n.startswith(f"{d}/")] for d in ("casme2", "samm")}
    held_out = {"casme2": (by["samm"], by["casme2"]), "samm": (by["casme2"], by["samm"])}
    assert _as_names(make_split(spec, objective)) == held_out
    assert list(spec.parts) == ["full", "casme2", "samm"]


LETTERS = {"c": "casme2", "h": "smic-hs", "v": "smic-vis", "n": "smic-nir"}
CDMER = {**dict.fromkeys(("disgust", "sadness", "fear"), "negative"), "happiness": "positive", "surprise": "surprise"}


def test_cdmer_trains_on_one_database_and_tests_on_another(clips):
    for letters in itertools.permutations(LETTERS, 2):
        pair, (source, target) = "-".join(letters), (LETTERS[letter] for letter in letters)
        inductive, transductive = (find_protocol(f"cdmer-{pair}{kind}") for kind in ("", "-transductive"))
        split = make_split(inductive, clips, same_people=SMIC)
        labels = _loop(clips[clips.dataset.isin([source, target])], CDMER | {w: w for w in ("negative", "positive")})[0]
        sides = [sorted(name for name in labels if name.startswith(f"{side}/")) for side in (source, target)]
        assert _as_names(split) == {target: (sides[0], sides[1])}, pair  # also where they are the same people
        assert _by_name(split) == {name: labels[name] for name in sides[1]}, pair
        assert len(sides[1]) == {"casme2": 130, "smic-hs": 164, "smic-vis": 71, "smic-nir": 71}[target], pair
        shared = [warning.startswith("people are shared") for warning in inductive.warnings]
        assert shared == [True] * ("c" not in pair), pair
        assert (inductive.transductive, transductive.transductive) == (False, True), pair
        assert inductive.spec_digest() != transductive.spec_digest(), pair
        assert inductive.parts == {"full": "Full"}, pair
        assert make_split(transductive, clips, same_people=SMIC).digest() == split.digest(), pair


#: Action units and how many of the 2031 clips show each, as CD6ME's authors print them; by database only AU5 of two
#: is known.
CD6ME = dict(zip((1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17),
                 (304, 280, 708, 134, 60, 252, 117, 75, 176, 277, 52, 86), strict=True))  # fmt: skip
AU5 = {"casme": 0, "casme2": 2}
SIX = {"casme": 189, "casme2": 256, "samm": 159, "4dme": 267, "mmew": 300, "casme3": 860}
AU_SETS = {
    "casme-au": (1, 4, 9, 14),
    "casme2-au": (1, 2, 4, 7, 12, 14, 15, 17),
    "samm-au": (2, 4, 7, 12),
    "mmew-au": (1, 2, 4, 5, 7, 10, 12, 14),
    "4dme-au": (1, 2, 4, 6, 7, 12, 17, 45),
}


@pytest.fixture(scope="module")
def coded(clips):
    """Return the clips of CD6ME's databases, coded so that each unit is shown as often, and the units of each clip."""
    here = clips[clips.dataset.isin(list(SIX))].reset_index(drop=True)
    names = clip_names(here)
    shown = {name: {24} for name in names}  # a unit that is not asked for: all else is known not to be shown
    for turn, (unit, count) in enumerate(CD6ME.items()):
        may = {"casme2": 2, "casme": 0} if unit == 5 else {}
        left = Counter({dataset: may.get(dataset, count) for dataset in SIX})
        for name in [*names[150 * turn :], *names[: 150 * turn]]:
            dataset = name.partition("/")[0]
            if count and left[dataset]:
                shown[name].add(unit)
                left[dataset] -= 1
                count -= 1
    aus = [read_coding("+".join(map(str, sorted(shown[name])))) for name in names]
    return here.assign(aus=aus), shown


def _shows(split, shown, units):
    return [[float(unit in shown[name]) for unit in units] for name in clip_names(split.clips)] == split.labels.tolist()


def test_cd6me_has_the_clips_and_units_of_its_authors(coded):
    table, shown = coded
    spec = find_protocol("cd6me")
    split = make_split(spec, table)  # as real clips: counts bind
    assert spec.units == tuple(CD6ME)
    assert (len(split.clips), split.differences) == (2031, [])
    assert (split.labels == 1).sum(axis=0).tolist() == list(CD6ME.values())
    assert {d: int((split.labels[split.datasets == d, 3] == 1).sum()) for d in AU5} == AU5
    assert _shows(split, shown, CD6ME)
    by = {d: sorted(name for name in shown if name.startswith(f"{d}/")) for d in SIX}
    assert {d: len(names) for d, names in by.items()} == SIX
    assert _as_names(split) == {d: (sorted(set(shown) - set(names)), names) for d, names in by.items()}
    assert list(spec.parts) == ["full", "mean", *SIX]


def test_au_protocols_of_one_database_test_every_subject(coded):
    table, shown = coded
    for name, units in AU_SETS.items():
        dataset, spec = name.removesuffix("-au"), find_protocol(name)
        here = table[table.dataset == dataset]
        split = make_split(spec, here)
        kept, folds = _loop(here.assign(emotion="any"), {"any": "any"}, [LATER])  # without the row of later sheets
        assert spec.units == units
        assert len(kept) == SIX[dataset] - (dataset == "casme2"), name
        assert len(folds) == EMOTIONS[dataset][1], name
        assert _as_names(split) == folds, name
        assert _shows(split, shown, units)


def test_crossed_databases_have_the_folds_of_their_names_or_are_refused(clips):
    lodo = make_split(find_protocol("lodo:samm+casme2+smic-hs"), clips)
    assert [(fold.name, len(fold.test)) for fold in lodo.folds] == [("casme2", 148), ("samm", 133), ("smic-hs", 164)]
    assert all(len(fold.test) + len(fold.train) == 445 for fold in lodo.folds)
    spec = find_protocol("cross:casme2+smic-hs->samm")
    split = make_split(spec, clips)
    (fold,) = split.folds
    assert spec.name == "cross-casme2.smic-hs-to-samm"
    assert Counter(split.datasets[fold.train]) == {"casme2": 64 + 27 + 32 + 25, "smic-hs": 164}
    assert Counter(split.truth().truth) == {"negative": 92, "positive": 26, "surprise": 15}
    assert find_protocol("cross:smic-hs+casme2->samm").spec_digest() == spec.spec_digest()
    for name, expected in (
        ("cross:casme2", "write cross:SOURCE+SOURCE->TARGET"),
        ("cross:->samm", "write cross:"),
        ("cross:casme2->casme2", "'casme2' twice"),
        ("cross:casme2->smic", "'smic' (did you mean 'smic-hs'"),
        ("lodo:casme2", "leave-one-database-out needs at least two databases"),
        ("lodo:casme2->samm", "write lodo:DATABASE+DATABASE"),
        ("cdmer-c-x", "unknown protocol 'cdmer-c-x' (did you mean 'cdmer-"),
    ):
        assert expected in refusal(find_protocol, name, case=name)
