"""The order in which jobs go to workers: the longest first, as far as is known, and short ones together."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from merbench.engine.execute.jobs import JobQueue


@dataclass(frozen=True)
class Job:
    """What the order goes by."""

    run: str
    fold: str
    train_clips: int
    kind: str = "one"
    expected: float | None = None
    plan: SimpleNamespace = field(default=None)

    def __post_init__(self):
        object.__setattr__(self, "plan", SimpleNamespace(run_id=self.run))


def jobs(run, clips, kind="one", expected=None):
    return [Job(run, f"{run}{n}", n, kind, expected and expected * n) for n in clips]


def taken(queue, most=1, fits=lambda job: True):
    found = []
    while group := queue.take(fits, most):
        found.append([job.fold for job in group])
    return found


def test_those_with_most_clips_come_first_while_nothing_is_known():
    queue = JobQueue(jobs("a", [3, 9, 5]) + jobs("b", [7, 4]))
    assert len(queue) == 5
    assert taken(queue) == [["a9"], ["b7"], ["a5"], ["b4"], ["a3"]]
    assert len(queue) == 0
    assert not queue.take(lambda job: True, 1)


def test_recorded_durations_count_and_unknown_kinds_come_first():
    queue = JobQueue(
        jobs("quick", [900, 800], "quick", expected=0.1)
        + jobs("slow", [20, 10], "slow", expected=60.0)
        + jobs("new", [1], "new")
    )
    assert taken(queue) == [["new1"], ["slow20"], ["slow10"], ["quick900"], ["quick800"]]


def test_ended_jobs_count_more_than_recorded_ones():
    queue = JobQueue(jobs("a", [10, 8], "a", expected=9.0) + jobs("b", [10, 8], "b", expected=1.0))
    (first,) = queue.take(lambda job: job.run == "b", 1)
    queue.learn(first, 600.0)
    assert queue.seconds(first) == pytest.approx(600.0)
    assert taken(queue) == [["b8"], ["a10"], ["a8"]]


def test_short_jobs_of_one_run_go_together_up_to_a_second():
    queue = JobQueue(jobs("short", [4, 3, 2, 1], "short", expected=0.09) + jobs("long", [9, 8], "long", expected=1.0))
    assert taken(queue, most=9) == [["long9"], ["long8"], ["short4", "short3", "short2", "short1"]]
    queue = JobQueue(jobs("a", [4, 3, 2, 1], "a", expected=0.19))
    assert taken(queue, most=9) == [["a4"], ["a3", "a2"], ["a1"]]
    assert taken(JobQueue(jobs("a", [2, 1], "a", expected=0.1)), most=1) == [["a2"], ["a1"]]
    assert taken(JobQueue(jobs("a", [2, 1])), most=9) == [["a2"], ["a1"]]
    two = jobs("a", [1], "k", expected=0.1) + jobs("b", [1], "k", expected=0.1)
    assert taken(JobQueue(two), most=9) == [["a1"], ["b1"]]


def test_a_job_that_is_put_back_goes_alone_and_first():
    queue = JobQueue(jobs("a", [4, 3, 2, 1], "a", expected=0.01))
    group = queue.take(lambda job: True, 2)
    assert [job.fold for job in group] == ["a4", "a3"]
    for job in group:
        queue.put_back(job)
    assert len(queue) == 4
    assert taken(queue, most=9) == [["a3"], ["a4"], ["a2", "a1"]]


def test_only_jobs_that_fit_are_taken_and_all_are_counted():
    queue = JobQueue(jobs("a", [9]) + jobs("b", [5, 4], "two"))
    assert queue.count_by(lambda job: 1 if job.kind == "one" else 4) == {1: 1, 4: 2}
    assert taken(queue, fits=lambda job: job.kind == "two") == [["b5"], ["b4"]]
    assert len(queue) == 1
