"""Puts what was seen into causes and consequences: the first fault of a chain is reported, the rest under it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Dict, List, Optional, Sequence, Tuple

from .catalogue import KnownError


@dataclass(frozen=True)
class Follower:
    """What was seen because of another error: its id, in how many incidents, its first line."""

    id: str
    count: int
    evidence: str


@dataclass(frozen=True)
class Match:
    """A known error in a log. ``count`` is the number of incidents (a traceback is one); times are ISO 8601 or None.

    Docker's times are UTC and end in ``Z``; without them the line's own time is taken, which has no zone.
    ``suspected``: only the log says so, and no independent witness confirms it.
    ``lines``: numbers of its first lines where they were asked for, counted from 1.
    """

    error: KnownError
    count: int
    evidence: str
    first_seen: Optional[str]
    last_seen: Optional[str]
    followers: Tuple[Follower, ...]
    suspected: bool = False
    lines: Tuple[int, ...] = ()


def fold(matches: Sequence[Match]) -> List[Match]:
    """List what follows from another match under that match.

    ``matches`` come in the order of their first appearance. An earlier match takes the later ones that its
    ``leads_to`` names; a symptom (a restart loop, say) goes under the first fault that is none, wherever it stands.
    """
    causes: Dict[int, int] = {}
    for position, match in enumerate(matches):
        cause = _cause_of(match, position, matches)
        if cause is not None:
            causes[position] = cause
    followers: Dict[int, List[Follower]] = {}
    for position, match in enumerate(matches):
        if position in causes:
            root = _root(position, causes)
            followers.setdefault(root, []).append(Follower(match.error.id, match.count, match.evidence))
            followers[root].extend(match.followers)
    return [
        replace(match, followers=_merged(match, followers.get(position, [])))
        for position, match in enumerate(matches)
        if position not in causes
    ]


def _cause_of(match: Match, position: int, matches: Sequence[Match]) -> Optional[int]:
    for earlier in range(position):
        if match.error.id in matches[earlier].error.leads_to:
            return earlier
    if match.error.symptom:
        for other, candidate in enumerate(matches):
            if candidate.error.severity == "fault" and not candidate.error.symptom:
                return other
    return None


def _root(position: int, causes: Dict[int, int]) -> int:
    """Follow the causes upwards. Ends: a cause is earlier in the list, or no symptom while its effect is one."""
    while position in causes:
        position = causes[position]
    return position


def _merged(match: Match, more: Sequence[Follower]) -> Tuple[Follower, ...]:
    merged: Dict[str, Follower] = {}
    for follower in (*match.followers, *more):
        if follower.id == match.error.id:
            continue
        known = merged.get(follower.id, replace(follower, count=0))
        merged[follower.id] = replace(known, count=known.count + follower.count)
    return tuple(merged.values())
