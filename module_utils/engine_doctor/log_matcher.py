"""The pure log matcher: bytes in, matches out.

Built for logs of any size and any content. Whole blocks of the log are searched for a few *anchors* (literal
texts that together occur in every pattern); only the lines around an anchor are looked at closely. So a healthy
gigabyte costs some passes of ``bytes.find`` and no line of it becomes a Python object. There is no regular
expression whose cost a hostile line could drive up, and memory does not grow with the log.

What it understands: ``docker logs --timestamps``, plain files, Docker's json-file format, both log generations of
Duix, CRLF, progress bars drawn with carriage returns, ANSI colours, invalid UTF-8, lines without end, Python
tracebacks with chained exceptions and exception groups (one incident each; its first known error is the cause).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from .anchors import choose_anchors
from .catalogue import KnownError, Pattern
from .causes import Follower, Match, fold
from .log_text import (
    JsonLines,
    evidence,
    is_json,
    line_end,
    line_start,
    local_time,
    normalise_time,
    split_time,
    strip_colours,
)
from .tracebacks import Span, TracebackFinder

BLOCK = 1 << 18  # bytes searched at a time; also the longest line that is seen whole
OVERLAP = 4096  # bytes seen twice where one line fills a whole block

_IndexedPattern = Tuple[int, Pattern]


class _Hit(NamedTuple):
    """One known error in one line; sorts in the order of the log."""

    line: int
    position: int
    error: int
    text: str
    time: Optional[str]


@dataclass
class _Incident:
    """What belongs together: the lines of one traceback, or a line that stands alone."""

    root: Optional[int] = None
    seen: Set[int] = field(default_factory=set)


@dataclass
class _Tally:
    """Counts of one error while the log is read."""

    evidence: str
    first_seen: Optional[str]
    last_seen: Optional[str] = None
    count: int = 0
    followers: Dict[int, Follower] = field(default_factory=dict)


@dataclass(frozen=True)
class Rules:
    """Errors and harmless lines, made ready for searching. Making them takes some milliseconds, so keep them."""

    errors: Tuple[KnownError, ...]
    benign: Tuple[Pattern, ...]
    anchors: Mapping[bytes, Tuple[_IndexedPattern, ...]]

    @classmethod
    def of(cls, errors: Sequence[KnownError], benign: Sequence[Pattern] = ()) -> Rules:
        """Rules for these errors, except in lines that are benign."""
        patterns = [(index, pattern) for index, error in enumerate(errors) for pattern in error.patterns]
        chosen = choose_anchors([pattern for _, pattern in patterns])
        anchors = {anchor: tuple(patterns[number] for number in numbers) for anchor, numbers in chosen.items()}
        return cls(tuple(errors), tuple(benign), anchors)


class LogMatcher:
    """Feed a log in pieces of any size, then ask for the matches.

    ``since``: lines whose Docker time is older do not count (RFC 3339, UTC). Lines without such a time always count.
    """

    def __init__(self, rules: Rules, since: str = "") -> None:
        self._rules = rules
        self._since = normalise_time(since)
        self._pieces: List[bytes] = []
        self._size = 0
        self._begun = False
        self._json: Optional[JsonLines] = None
        self._tail = b""
        self._counted_in_long_line: Set[int] = set()
        self._tracebacks = TracebackFinder()
        self._open_incident = _Incident()
        self._tallies: Dict[int, _Tally] = {}

    def feed(self, data: bytes) -> None:
        """Take the next piece of the log."""
        for start in range(0, len(data), BLOCK):
            piece = data[start : start + BLOCK]
            self._pieces.append(piece)
            self._size += len(piece)
            if self._size >= BLOCK:
                self._take(self._plain_text(final=False), final=False)

    def finish(self) -> List[Match]:
        """Read what is left and return the matches, causes in the order of their first appearance."""
        self._take(self._plain_text(final=True), final=True)
        return fold([self._match(index, tally) for index, tally in self._tallies.items()])

    def _plain_text(self, *, final: bool) -> bytes:
        """What was fed since the last block, freed from Docker's JSON."""
        data = b"".join(self._pieces)
        self._pieces, self._size = [], 0
        if not self._begun:
            self._begun = True
            self._json = JsonLines() if is_json(data) else None
        if self._json is None:
            return data
        return self._json.convert(data) + (self._json.rest() if final else b"")

    def _take(self, text: bytes, *, final: bool) -> None:
        """Search the complete lines; keep the unfinished one for later, unless it already fills a block."""
        data = self._tail + text
        end = len(data) if final else max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        if end:
            self._search(strip_colours(data[:end]))
            self._counted_in_long_line.clear()
            self._tail = data[end:]
        elif len(data) >= BLOCK:
            self._search(strip_colours(data), long_line=True)
            self._tail = data[-OVERLAP:]
        else:
            self._tail = data

    def _search(self, data: bytes, *, long_line: bool = False) -> None:
        spans = self._tracebacks.spans(data)
        incidents = [self._open_incident if span.continues else _Incident() for span in spans]
        current = 0
        for hit in sorted(self._hits(data)):
            if hit.line == 0 and hit.error in self._counted_in_long_line:
                continue
            if long_line:
                self._counted_in_long_line.add(hit.error)
            while current < len(spans) and spans[current].end <= hit.line:
                current += 1
            inside = current < len(spans) and _within(hit, spans[current])
            self._count(hit, incidents[current] if inside else _Incident())
        self._open_incident = incidents[-1] if incidents else _Incident()

    def _hits(self, data: bytes) -> Set[_Hit]:
        found: Set[_Hit] = set()
        for anchor, patterns in self._rules.anchors.items():
            position = data.find(anchor)
            while position >= 0:
                start, end = line_start(data, position), line_end(data, position)
                found.update(self._examine(data, start, end, patterns))
                position = data.find(anchor, end)
        return found

    def _examine(self, data: bytes, start: int, end: int, patterns: Sequence[_IndexedPattern]) -> Iterator[_Hit]:
        """The known errors in one line."""
        for index, pattern in patterns:
            position = pattern.find(data, start, end)
            if position < 0:
                continue
            line = data[start:end]
            time, content = split_time(line)
            if (time and time < self._since) or self._harmless(line, index):
                continue
            text = evidence(content, position - start - (len(line) - len(content)))
            yield _Hit(start, position, index, text, time or local_time(content))

    def _harmless(self, line: bytes, index: int) -> bool:
        return any(p.find(line) >= 0 for p in self._rules.errors[index].unless + self._rules.benign)

    def _count(self, hit: _Hit, incident: _Incident) -> None:
        """Count the hit as the root of its incident or as something that followed."""
        if hit.error in incident.seen:
            return
        incident.seen.add(hit.error)
        if incident.root is None:
            incident.root = hit.error
            tally = self._tallies.setdefault(hit.error, _Tally(evidence=hit.text, first_seen=hit.time))
            tally.count += 1
            tally.last_seen = hit.time or tally.last_seen
            return
        followers = self._tallies[incident.root].followers
        known = followers.get(hit.error, Follower(self._rules.errors[hit.error].id, 0, hit.text))
        followers[hit.error] = Follower(known.id, known.count + 1, known.evidence)

    def _match(self, index: int, tally: _Tally) -> Match:
        return Match(
            error=self._rules.errors[index],
            count=tally.count,
            evidence=tally.evidence,
            first_seen=tally.first_seen,
            last_seen=tally.last_seen,
            followers=tuple(tally.followers.values()),
        )


def match_text(data: bytes, rules: Rules, since: str = "") -> List[Match]:
    """The matches in a text that is at hand as a whole."""
    matcher = LogMatcher(rules, since)
    matcher.feed(data)
    return matcher.finish()


def _within(hit: _Hit, span: Span) -> bool:
    return span.start <= hit.position < span.end
