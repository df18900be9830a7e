"""Chooses the few literals that a log is searched for before any line of it is looked at closely."""

from __future__ import annotations

from typing import Dict, FrozenSet, Iterator, Sequence, Set, Tuple

from .catalogue import Pattern

SHORTEST, LONGEST = 5, 36  # bytes of a literal shared by several patterns
SHORTEST_CHINESE = 18  # bytes: six characters, so that it is no everyday word
_EVERYDAY = b"abcdefghijklmnopqrstuvwxyz "  # a piece of nothing else is a word that healthy lines have too


def choose_anchors(patterns: Sequence[Pattern]) -> Dict[bytes, Tuple[int, ...]]:
    """Few literals such that each pattern contains one: anchor -> indexes of the patterns it stands for.

    A greedy weighted set cover: long literals are cheap to search for (``bytes.find`` skips ahead), shared ones
    save a pass. Ties are broken by text, so the choice is the same on every run.
    """
    covers = _shared_literals(patterns)
    uncovered = set(range(len(patterns)))
    anchors: Dict[bytes, Tuple[int, ...]] = {}
    while uncovered:
        best = max(covers, key=lambda a: (len(covers[a] & uncovered) / _search_cost(a), len(a), a))
        anchors[best] = tuple(sorted(covers[best] & uncovered))
        uncovered -= covers.pop(best)
    return anchors


def _search_cost(anchor: bytes) -> float:
    """Seconds per GB of ``bytes.find`` in engine logs, fitted to CPython 3.11: long literals let it skip ahead."""
    return min(0.5, 0.06 + 3.2 / len(anchor))


def _shared_literals(patterns: Sequence[Pattern]) -> Dict[bytes, FrozenSet[int]]:
    """For every set of patterns that share a literal, the longest literal they share."""
    owners: Dict[bytes, Set[int]] = {}
    for index, pattern in enumerate(patterns):
        for part in pattern.parts:
            for literal in _literals(part):
                owners.setdefault(literal, set()).add(index)
    longest: Dict[FrozenSet[int], bytes] = {}
    for literal, found in sorted(owners.items()):
        key = frozenset(found)
        if len(literal) > len(longest.get(key, b"")):
            longest[key] = literal
    return {literal: key for key, literal in longest.items()}


def _literals(part: bytes) -> Iterator[bytes]:
    yield part
    for size in range(SHORTEST, min(len(part), LONGEST) + 1):
        for start in range(len(part) - size + 1):
            piece = part[start : start + size]
            if piece.strip(_EVERYDAY) and (piece.isascii() or size >= SHORTEST_CHINESE):
                yield piece
