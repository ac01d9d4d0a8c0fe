"""The order in which units go to workers: the longest first, as far as is known, and short ones together."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from merbench.engine.execute.units import LongestFirst


@dataclass(frozen=True)
class Unit:
    """What the order goes by."""

    run: str
    fold: str
    train_clips: int
    kind: str = "one"
    expected: float | None = None
    plan: SimpleNamespace = field(default=None)

    def __post_init__(self):
        object.__setattr__(self, "plan", SimpleNamespace(run_id=self.run))


def units(run, clips, kind="one", expected=None):
    return [Unit(run, f"{run}{n}", n, kind, expected and expected * n) for n in clips]


def taken(queue, most=1, fits=lambda unit: True):
    found = []
    while group := queue.take(fits, most):
        found.append([unit.fold for unit in group])
    return found


def test_those_with_most_clips_come_first_while_nothing_is_known():
    queue = LongestFirst(units("a", [3, 9, 5]) + units("b", [7, 4]))
    assert len(queue) == 5
    assert taken(queue) == [["a9"], ["b7"], ["a5"], ["b4"], ["a3"]]
    assert len(queue) == 0
    assert not queue.take(lambda unit: True, 1)


def test_what_is_recorded_of_a_kind_says_how_long_it_lasts_and_unknown_kinds_come_before_all():
    queue = LongestFirst(
        units("quick", [900, 800], "quick", expected=0.1)
        + units("slow", [20, 10], "slow", expected=60.0)
        + units("new", [1], "new")
    )
    assert taken(queue) == [["new1"], ["slow20"], ["slow10"], ["quick900"], ["quick800"]]


def test_what_has_ended_counts_more_than_what_was_recorded():
    queue = LongestFirst(units("a", [10, 8], "a", expected=9.0) + units("b", [10, 8], "b", expected=1.0))
    (first,) = queue.take(lambda unit: unit.run == "b", 1)
    queue.learn(first, 600.0)
    assert queue.seconds(first) == pytest.approx(600.0)
    assert taken(queue) == [["b8"], ["a10"], ["a8"]]


def test_short_units_of_one_run_go_together_up_to_a_second_and_long_or_unknown_ones_alone():
    queue = LongestFirst(
        units("short", [4, 3, 2, 1], "short", expected=0.09) + units("long", [9, 8], "long", expected=1.0)
    )
    assert taken(queue, most=9) == [["long9"], ["long8"], ["short4", "short3", "short2", "short1"]]
    queue = LongestFirst(units("a", [4, 3, 2, 1], "a", expected=0.19))
    assert taken(queue, most=9) == [["a4"], ["a3", "a2"], ["a1"]]
    assert taken(LongestFirst(units("a", [2, 1], "a", expected=0.1)), most=1) == [["a2"], ["a1"]]
    assert taken(LongestFirst(units("a", [2, 1])), most=9) == [["a2"], ["a1"]]
    two = units("a", [1], "k", expected=0.1) + units("b", [1], "k", expected=0.1)
    assert taken(LongestFirst(two), most=9) == [["a1"], ["b1"]]


def test_a_unit_that_is_put_back_goes_alone_and_before_others_of_its_run():
    queue = LongestFirst(units("a", [4, 3, 2, 1], "a", expected=0.01))
    group = queue.take(lambda unit: True, 2)
    assert [unit.fold for unit in group] == ["a4", "a3"]
    for unit in group:
        queue.put_back(unit)
    assert len(queue) == 4
    assert taken(queue, most=9) == [["a3"], ["a4"], ["a2", "a1"]]


def test_only_units_that_fit_are_taken_and_all_are_counted():
    queue = LongestFirst(units("a", [9]) + units("b", [5, 4], "two"))
    assert queue.count_by(lambda unit: 1 if unit.kind == "one" else 4) == {1: 1, 4: 2}
    assert taken(queue, fits=lambda unit: unit.kind == "two") == [["b5"], ["b4"]]
    assert len(queue) == 1
