"""A taken submission, and what a check says of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

from merbench.analysis.held import hold
from merbench.records.entries import read_entry
from merbench.records.files import read_json
from merbench.records.model import Verification
from merbench.records.read import RecordedRun
from merbench.records.select import Runs
from merbench.records.states import FILE as KEPT
from merbench.records.truth import Truth
from merbench.submissions.model import FILE, Submission

Result = Literal["ok", "failed", "noted", "skipped"]


class Looked(NamedTuple):
    """What a check found: ``ok``, ``failed``, ``noted`` (pointed out, not judged) or ``skipped``, and the evidence."""

    result: Result
    check: str
    evidence: str


@dataclass
class Submitted:
    """A taken submission: `place` has its files, `folder` is where they were, `others` are its other seeds."""

    folder: Path
    place: Path
    truth_of: Callable[..., Truth | str]
    board: Runs
    others: "list[Submitted]" = field(default_factory=list)

    @cached_property
    def run(self) -> RecordedRun:
        """The run, its files verified against one another; RecordError if they do not."""
        return read_entry(self.place, self.folder)

    @cached_property
    def held(self) -> tuple[RecordedRun, str]:
        """The run compared with the truth of its protocol, and how it differs."""
        return hold(self.run, self.truth_of(self.run.file))

    @cached_property
    def about(self) -> Submission | None:
        """What goes with the row."""
        return read_json(self.place / FILE, Submission) if (self.place / FILE).exists() else None

    @cached_property
    def kept(self) -> Verification | None:
        """What came with the row of an earlier verification, which anybody can have written."""
        return read_json(self.place / KEPT, Verification) if (self.place / KEPT).exists() else None

    @property
    def seeds(self) -> "list[Submitted]":
        """All seeds of the row that are looked at together."""
        return [self, *self.others]


#: What a check finds, one line or more.
Evidence = Iterator[tuple[Result, str]]
