"""Decides which findings are treated and how, and treats them. Deciding changes nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Callable, List, Optional, Sequence, Tuple

from .catalogue import Remedy
from .containers import Container
from .diagnosis import Finding
from .docker_cli import DockerError
from .memory import Memory
from .recreation import merge, recreate
from .remedies import KINDS, RECREATE, RESTART, Action, RemedyError, Tools
from .times import render

# What becomes of a finding; stable codes of the report.
REPORT_ONLY = "report_only"  # no cure that a program can carry out is known
NOT_ALLOWED = "not_allowed"  # a cure exists, the settings forbid it
TRIED = "already_tried"  # tried in this start of the container and it did not help
GIVEN_UP = "given_up"  # too many cures within the hour
IMPOSSIBLE = "impossible"  # the cure does not fit this container
CAUSE_GONE = "cause_gone"  # what its log speaks of is in order again
SUSPECTED = "suspected"  # only a log says so; without a witness nothing is done
PLANNED = "planned"  # would be done; only check mode ends here
APPLIED = "applied"  # done; ``verified`` says whether it helped
FAILED = "failed"  # the cure itself went wrong


@dataclass(frozen=True)
class Decision:
    """What becomes of one finding. ``detail`` is a sentence where the outcome needs one."""

    finding: Finding
    outcome: str
    remedy: str = ""
    detail: str = ""
    actions: Tuple[Action, ...] = ()
    verified: Optional[bool] = None


@dataclass(frozen=True)
class Round:
    """The actions at one place, in order: repairs first, each once, then at most one restart or recreation."""

    where: str
    repairs: Tuple[Action, ...]
    afterwards: Optional[Action]

    @property
    def actions(self) -> Tuple[Action, ...]:
        """All of them in order."""
        return (*self.repairs, self.afterwards) if self.afterwards else self.repairs


@dataclass(frozen=True)
class Treated:
    """How a round went. ``at``: from when on the log counts again; ``trouble``: what went wrong, or ``''``."""

    where: str
    at: str
    trouble: str


def decide(
    findings: Sequence[Finding], container: Optional[Container], tools: Tools, memory: Memory, now: datetime
) -> List[Decision]:
    """One decision for each finding of one place; ``container`` is what stands there, if any."""
    return [
        _suspected(finding, container, tools)
        if finding.match.suspected
        else _decide(finding, container, tools, memory, now)
        for finding in findings
    ]


def round_of(decisions: Sequence[Decision], tools: Tools) -> Optional[Round]:
    """What is to be done for the planned ones of one place's decisions, or None.

    A round without actions is one too: the cause is gone already, and only its old log lines are left.
    """
    planned = [decision for decision in decisions if decision.outcome == PLANNED]
    if not planned:
        return None
    where = planned[0].finding.where
    actions = [action for decision in planned for action in decision.actions]
    repairs = {action.summary: action for action in actions if action.summary}
    return Round(where, tuple(repairs.values()), _afterwards(where, actions, tools))


def carry_out(treatment: Round, now: Callable[[], datetime]) -> Treated:
    """Do what a round says; the first failure ends it."""
    at = render(now())
    try:
        for action in treatment.repairs:
            action.apply()
        at = render(now())
        if treatment.afterwards:
            treatment.afterwards.apply()
    except (RemedyError, DockerError, OSError) as error:
        return Treated(treatment.where, at, str(error))
    return Treated(treatment.where, at, "")


def _afterwards(where: str, actions: Sequence[Action], tools: Tools) -> Optional[Action]:
    recreations = [action.changes for action in actions if action.afterwards == RECREATE]
    if recreations:
        changes = merge(recreations)
        return Action(where, f"recreate {where}{changes.sentence()}", lambda: recreate(tools.docker, where, changes))
    if any(action.afterwards == RESTART for action in actions):
        return Action(where, f"restart {where}", lambda: tools.docker.restart(where))
    return None


def _decide(finding: Finding, container: Optional[Container], tools: Tools, memory: Memory, now: datetime) -> Decision:
    error = finding.error
    if not error.remedies or error.severity == "request":
        return Decision(finding, REPORT_ONLY)
    name = error.remedies[0].kind
    forbidden = [remedy.kind for remedy in error.remedies if not _allowed(remedy, tools)]
    if forbidden:
        return Decision(finding, NOT_ALLOWED, name, f"not allowed here: {', '.join(forbidden)}")
    if container is None:
        return Decision(finding, IMPOSSIBLE, name, f"there is no container {finding.where}")
    if memory.tried(error.id, finding.where, container.started_at):
        return Decision(finding, TRIED, name)
    if memory.recent(finding.where, now) >= tools.settings.cures_per_hour:
        return Decision(finding, GIVEN_UP, name)
    return _prepared(Decision(finding, PLANNED, name), container, tools)


def _suspected(finding: Finding, container: Optional[Container], tools: Tools) -> Decision:
    """Nothing is done; where all that the cure would do is done already, the cause is gone."""
    kinds = ", ".join(witness.kind for witness in finding.error.witness)
    detail = f"its log speaks of it, and nothing else confirms it ({kinds})"
    found = Decision(finding, SUSPECTED, detail=detail)
    if container is None or not finding.error.remedies:
        return found
    left = _prepared(found, container, tools)
    gone = left.outcome == SUSPECTED and not left.actions
    return replace(found, outcome=CAUSE_GONE, detail="") if gone else found


def _prepared(decision: Decision, container: Container, tools: Tools) -> Decision:
    try:
        actions = tuple(
            action
            for remedy in decision.finding.error.remedies
            for action in KINDS[remedy.kind].prepare(tools, container, remedy.parameters)
        )
    except (RemedyError, DockerError, OSError) as error:
        return replace(decision, outcome=IMPOSSIBLE, detail=str(error))
    return replace(decision, actions=actions)


def _allowed(remedy: Remedy, tools: Tools) -> bool:
    return remedy.kind in tools.settings.allow and (tools.settings.allow_delete or not KINDS[remedy.kind].deletes)
