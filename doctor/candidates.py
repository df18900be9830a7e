"""Finds, at the speed of C, the lines of a log whose own words may begin as a pattern does.

A pattern without ``*`` at its start counts only where a program's words begin: at the start of a line, of a record's
message or of an exception (``log_lines``). So the first bytes of all such patterns, as one tree, decide in one pass
which lines are looked at closely; how many patterns there are hardly matters.
"""

from __future__ import annotations

import re
from typing import Dict, Iterator, List, Mapping, Sequence, Set, Tuple

from .catalogue import Pattern
from .log_lines import Place

HEAD = 16  # bytes of a pattern that decide
Indexed = Tuple[int, Pattern]
_LEVELS = (b"WARN", b"ERROR", b"CRITICAL", b"FATAL")
_NOT_CAPITAL = bytes(byte for byte in range(256) if not chr(byte).isascii() or not chr(byte).isupper())
# What may stand before a program's words, as ``log_lines`` understands it, only wider: a line that is found too often
# is looked at closely and rejected. The negative parts spare the commonest harmless lines the way through the tree.
_HARMLESS = rb"(?!INFO|DEBUG|2.{23}(?:INFO|DEBUG))"
_STAMP = rb"2.{18}[.\d]{0,10}Z "
_DOCKER_TIME = rb"(?=(" + _STAMP + rb"|))\1" + _HARMLESS  # taken once, never tried again a byte shorter
_TIME = rb"(?:\[?2.{9}[ T].{8}[^ \n]{0,12} (?:\| )?(?!INFO|DEBUG) {0,3}|\[../../....-..:..:..\] )?"
_COMPOSE = re.compile(rb"[\w.-]{1,64} {1,40}\| ")
_COMPOSED = b" | "
_OTHER_STARTS = rb"  what\(\):|\[[EWF]:onnxruntime:|\d{1,12}[.:]\d{1,9} \[[EWF]:onnx|[WEF]\d{4} \d\d:\d\d:"
_BEHIND_LEVEL = rb"(?:ING)?(?:[\]:-]{0,2} {0,40}| {0,9}\| [^\n|]{1,260}? - | - |:[\w.-]{1,81}:)(?:[a-z_][\w.]{1,640} )?"
# Duix' records name the task before their words, and our server the state.
_WHOLE_RECORDS = rb"(?:\] \[|: | {1,40}(?:[a-z_][\w.]{1,640} )?(?:state=failed |download attempt ))"
_JSON_LEVELS = tuple(
    f'"{level}"'.encode() for name in ("warning", "error", "critical") for level in (name, name.upper())
)


class Candidates:
    """The patterns by their first bytes."""

    def __init__(self, patterns: Sequence[Indexed], *, json: bool = False) -> None:
        heads: Dict[bytes, List[Indexed]] = {}
        for index, pattern in patterns:
            heads.setdefault(pattern.parts[0][:HEAD], []).append((index, pattern))
        self._heads: Mapping[bytes, Tuple[Indexed, ...]] = {head: tuple(found) for head, found in heads.items()}
        self._sizes = tuple(sorted({len(head) for head in heads}))
        self._json = json
        tree = _expression(set(heads))
        words = rb"(?:" + tree + rb"|" + _OTHER_STARTS + rb")"
        self._first_line = re.compile(_DOCKER_TIME + _TIME + words)
        self._line = re.compile(rb"\n" + _DOCKER_TIME + _TIME + words)
        self._composed = re.compile(rb"\|? {0,4}" + _TIME + words)
        self._level = re.compile(_BEHIND_LEVEL + rb"(?:" + tree + rb")|(?:ING)?" + _WHOLE_RECORDS)

    def positions(self, data: bytes) -> Iterator[int]:
        """A position in each line of ``data`` that is worth a closer look; a line may come more than once."""
        if not self._heads:
            return
        if self._json:
            for mark in _JSON_LEVELS:
                yield from _all(data, mark)
            return
        if self._first_line.match(data):
            yield 0
        yield from (found.start() + 1 for found in self._line.finditer(data))
        if _COMPOSE.match(data):  # compose writes its services' names before every line or before none
            yield from _followed(data, _COMPOSED, self._composed)
        # Most blocks hold few capitals, and looking for all levels among these costs less than one pass over the block.
        capitals = data.translate(None, _NOT_CAPITAL)
        for level in _LEVELS:
            if level in capitals:
                yield from _followed(data, level, self._level)

    def matching(self, place: Place) -> Iterator[Tuple[int, int]]:
        """The indexes of the patterns that stand in a place, and where in its text."""
        for position in _starts(place):
            for size in self._sizes:
                for index, pattern in self._heads.get(place.text[position : position + size], ()):
                    found = pattern.find_at(place.text, position, position, place.whole)
                    if found >= 0:
                        yield index, found


def _all(data: bytes, text: bytes) -> Iterator[int]:
    position = data.find(text)
    while position >= 0:
        yield position
        position = data.find(text, position + len(text))


def _followed(data: bytes, text: bytes, what: "re.Pattern[bytes]") -> Iterator[int]:
    """Where ``text`` stands with the right words behind it."""
    return (position for position in _all(data, text) if what.match(data, position + len(text)))


def _starts(place: Place) -> Set[int]:
    """Where in a place a pattern may begin: in an exception at its name, ``Error``, or its message."""
    if place.first == place.last:
        return {place.first}
    name = place.text[place.first : place.last - 2]
    error = place.last - 2 - len(b"Error") if name.endswith(b"Error") else place.first
    return {place.first, place.first + name.rfind(b".") + 1, error, place.last}


def _expression(heads: Set[bytes]) -> bytes:
    """A regular expression for the start of any of the heads, as a tree, so that no byte is looked at twice."""
    branches: Dict[bytes, Set[bytes]] = {}
    for head in heads:
        if not head:
            return b""
        branches.setdefault(head[:1], set()).add(head[1:])
    if not branches:
        return rb"(?!)"
    parts = [re.escape(first) + _expression(rest) for first, rest in sorted(branches.items())]
    return parts[0] if len(parts) == 1 else rb"(?:" + rb"|".join(parts) + rb")"
