"""Paired, interleaved measurement: every round runs each variant once, so that a slow minute slows all of them."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np

Sample = Mapping[str, float]


@dataclass(frozen=True)
class Goal:
    """A limit of a figure's value, or of its ratio to the baseline."""

    of: Literal["value", "ratio"]
    relation: Literal["<=", ">="]
    bound: float

    def met(self, value: float, ratio: float | None) -> bool:
        """Whether the limit is kept; false for a ratio that could not be computed."""
        measured = value if self.of == "value" else ratio
        if measured is None or not np.isfinite(measured):
            return False
        return measured <= self.bound if self.relation == "<=" else measured >= self.bound

    def __str__(self) -> str:
        return f"{self.of} {self.relation} {self.bound:g}"


def at_most(bound: float, of: Literal["value", "ratio"] = "value") -> Goal:
    """A goal for figures that should be small."""
    return Goal(of, "<=", bound)


def at_least(bound: float, of: Literal["value", "ratio"] = "value") -> Goal:
    """A goal for figures that should be large."""
    return Goal(of, ">=", bound)


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes:
        name: ``case/what/of whom``.
        value: median over the rounds, in ``unit``.
        spread: half the distance between the rounds' extremes, in ``unit``.
        baseline: the same of what it is compared with, in ``unit``; None: compared with nothing.
        against: the name of that.
        ratio: median over the rounds of value / baseline, each taken within one round.
        goal: what was promised; None: nothing was.
    """

    name: str
    value: float
    unit: str
    spread: float = 0.0
    baseline: float | None = None
    against: str = ""
    ratio: float | None = None
    goal: Goal | None = None

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without one."""
        return None if self.goal is None else self.goal.met(self.value, self.ratio)


def _median(values: list[float]) -> float:
    return float(np.median(values))


def _spread(values: list[float]) -> float:
    return (max(values) - min(values)) / 2


def _quotients(ours: list[float], theirs: list[float]) -> float | None:
    pairs = [a / b for a, b in zip(ours, theirs, strict=True) if b]
    return _median(pairs) if pairs else None


@dataclass(frozen=True)
class Rounds:
    """The results of each variant in each round: ``samples[variant][round][metric]``."""

    samples: Mapping[str, list[Sample]]

    @classmethod
    def of(cls, variants: Mapping[str, Callable[[], Sample]], rounds: int) -> Self:
        """Run all variants in turn, `rounds` times; the order is reversed each time (A B, B A, A B …)."""
        samples: dict[str, list[Sample]] = {name: [] for name in variants}
        for number in range(rounds):
            names = list(variants) if number % 2 == 0 else list(variants)[::-1]
            for name in names:
                gc.collect()
                samples[name].append(variants[name]())
        return cls(samples)

    def values(self, variant: str, metric: str) -> list[float]:
        """A metric of a variant, one value per round."""
        return [float(sample[metric]) for sample in self.samples[variant]]

    def figure(
        self, name: str, variant: str, metric: str, unit: str, *, against: str = "", goal: Goal | None = None
    ) -> Figure:
        """The metric of one variant beside the same metric of another."""
        ours = self.values(variant, metric)
        if not against:
            return Figure(name, _median(ours), unit, _spread(ours), goal=goal)
        theirs = self.values(against, metric)
        ratio = _quotients(ours, theirs)
        return Figure(name, _median(ours), unit, _spread(ours), _median(theirs), against, ratio, goal)

    def added(
        self, name: str, variant: str, metric: str, unit: str, *, against: str, goal: Goal | None = None
    ) -> Figure:
        """The overhead of one variant over another: the median of the differences within each round."""
        ours, theirs = self.values(variant, metric), self.values(against, metric)
        more = [a - b for a, b in zip(ours, theirs, strict=True)]
        return Figure(
            name, _median(more), unit, _spread(more), _median(theirs), against, _quotients(ours, theirs), goal
        )


def percentile(values: list[float], percent: float) -> float:
    """A percentile, nan for no values."""
    return float(np.percentile(values, percent)) if values else float("nan")
