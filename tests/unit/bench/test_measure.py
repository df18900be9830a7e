"""The harness: order of the runs, statistics over the rounds, goals."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from bench.measure import Figure, Goal, Rounds, Sample, at_least, at_most, percentile


def scripted(calls: list[str], name: str, values: list[float]) -> Callable[[], Sample]:
    remaining = iter(values)

    def run() -> Sample:
        calls.append(name)
        return {"ms": next(remaining)}

    return run


def test_variants_take_turns_in_alternating_order() -> None:
    calls: list[str] = []
    Rounds.of({name: scripted(calls, name, [1, 1, 1]) for name in "ABC"}, 3)
    assert "".join(calls) == "ABCCBAABC"


def test_a_ratio_is_taken_within_each_round() -> None:
    # Each round is twice as slow as the one before, for both: the ratio must not notice.
    rounds = Rounds(
        {"ours": [{"ms": 2.0}, {"ms": 4.0}, {"ms": 8.0}], "theirs": [{"ms": 1.0}, {"ms": 2.0}, {"ms": 4.0}]}
    )
    figure = rounds.figure("case/time", "ours", "ms", "ms", against="theirs")
    assert (figure.value, figure.baseline, figure.ratio, figure.spread) == (4.0, 2.0, 2.0, 3.0)


def test_the_median_of_ratios_is_not_the_ratio_of_medians() -> None:
    rounds = Rounds(
        {"ours": [{"ms": 1.0}, {"ms": 9.0}, {"ms": 5.0}], "theirs": [{"ms": 1.0}, {"ms": 3.0}, {"ms": 10.0}]}
    )
    assert rounds.figure("case/time", "ours", "ms", "ms", against="theirs").ratio == 1.0


def test_what_is_added_is_the_median_of_the_differences() -> None:
    rounds = Rounds(
        {"ours": [{"ms": 3.0}, {"ms": 13.0}, {"ms": 25.0}], "bare": [{"ms": 1.0}, {"ms": 10.0}, {"ms": 20.0}]}
    )
    added = rounds.added("case/added", "ours", "ms", "ms", against="bare", goal=at_most(3.0))
    assert (added.value, added.baseline, added.spread) == (3.0, 10.0, 1.5)
    assert added.met is True


def test_a_baseline_of_nothing_gives_no_ratio_and_meets_no_goal_on_it() -> None:
    rounds = Rounds({"ours": [{"ms": 3.0}], "theirs": [{"ms": 0.0}]})
    figure = rounds.figure("case/time", "ours", "ms", "ms", against="theirs", goal=at_most(1.0, "ratio"))
    assert figure.ratio is None
    assert figure.met is False


@pytest.mark.parametrize(
    ("goal", "value", "ratio", "met"),
    [
        (at_most(25.0), 25.0, None, True),
        (at_most(25.0), 25.1, 0.1, False),
        (at_least(0.6, "ratio"), 100.0, 0.6, True),
        (at_least(0.6, "ratio"), 100.0, 0.59, False),
        (at_most(25.0), math.nan, None, False),
    ],
)
def test_goals(goal: Goal, value: float, ratio: float | None, met: bool) -> None:
    assert goal.met(value, ratio) is met


def test_a_figure_without_a_goal_is_neither_met_nor_missed() -> None:
    assert Figure("case/time", 1.0, "ms").met is None


def test_percentiles() -> None:
    assert percentile([float(number) for number in range(101)], 99) == 99.0
    assert math.isnan(percentile([], 50))
