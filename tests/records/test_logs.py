"""Logs and leaderboard entries hold any text as it is."""

import pytest
from support.cases import each

from merbench.contracts.errors import MerbenchError
from merbench.contracts.protocols import ProtocolSpec
from merbench.databases.readers.identity import log_spelling
from merbench.records.entries import read_entry, write_entry
from merbench.records.logs import read_log, to_challenge, to_csv
from merbench.records.read import read_run

SPEC = ProtocolSpec(
    name="toys", title="Toys", summary="Toys", source={"text": "the test"},
    classes=("negative", "positive", "surprise"), datasets={"alpha": {"title": "Alpha", "classes": {}}},
    folds="leave-one-subject-out",
)  # fmt: skip
COLUMNS = ["dataset", "subject", "clip", "truth", "predicted"]


def answers_with(subject, clip):
    return {f"alpha/{subject}/{clip}": ("negative", "positive"), "alpha/s2/c1": ("positive", "positive")}


def rows_of(table):
    return sorted(table[COLUMNS].itertuples(index=False, name=None))


NAMES = [
    ("NA", "null"),
    ("nan", "None"),
    ("007", "1e5"),
    ("1.0", "01"),
    ("a,b", 'c"d'),
    ("a;b", 'c"d'),
    ("é", "微表情"),
]


def test_any_name_survives_logs_and_a_leaderboard_entry(record, tmp_path):
    for number, (subject, clip) in enumerate(each(NAMES)):
        run = read_run(record(answers_with(subject, clip)))
        log, challenge = tmp_path / f"{number}.csv", tmp_path / f"{number}.txt"
        log.write_text(to_csv(run.predictions), encoding="utf-8", newline="")
        challenge.write_text(to_challenge(run.predictions, run.file.outputs), encoding="utf-8")
        entry = write_entry(run, tmp_path / f"leaderboard{number}")
        found = [read_log(log, SPEC, log_spelling(SPEC)), read_entry(entry)]
        if "," not in subject:  # the first line of a log with a comma is read as a header
            found.append(read_log(challenge, SPEC, log_spelling(SPEC)))
        assert [rows_of(one.predictions) for one in found] == [rows_of(run.predictions)] * len(found)
        assert (subject, clip) in {row[1:3] for row in rows_of(run.predictions)}


def test_challenge_logs_are_read_and_written_and_refuse_blanks(record, answers, tmp_path):
    for subject, clip in each((("s 1", "c1"), ("s1", "c 1"))):
        run = read_run(record(answers_with(subject, clip)))
        with pytest.raises(MerbenchError, match=f"{subject}|{clip}"):
            to_challenge(run.predictions, run.file.outputs)
    run = read_run(record(answers))
    spec = SPEC.model_copy(update={"datasets": dict.fromkeys(("alpha", "beta"), SPEC.datasets["alpha"])})
    log, text = tmp_path / "log.txt", to_challenge(run.predictions, run.file.outputs)
    log.write_text(text, encoding="utf-8")
    assert to_challenge(read_log(log, spec, log_spelling(spec)).predictions, run.file.outputs) == text
    assert text.splitlines()[:3] == ["alpha s1", "c1 0 0", "c2 1 0"]
