"""The pure log matcher: bytes in, matches out.

Built for logs of any size and any content. Whole blocks of the log are searched for lines that may begin as a
pattern does (``candidates``) and, for patterns that may stand anywhere, for a few *anchors* (literal texts that
together occur in all of them); only those lines are looked at closely. So a healthy gigabyte costs some passes in C and
few of its lines become Python objects. There is no regular expression whose cost a hostile line could drive up, and
memory does not grow with the log.

What it understands: ``docker logs --timestamps``, plain files, Docker's json-file format, both log generations of
Duix, our gateways' JSON, CRLF, progress bars drawn with carriage returns, ANSI colours, invalid UTF-8, lines
without end, Python tracebacks with chained exceptions and exception groups (one incident each; its first known
error is the cause).
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from .anchors import choose_anchors
from .candidates import Candidates
from .catalogue import KnownError, Pattern
from .causes import Follower, Match, fold
from .log_lines import Place, places
from .log_text import (
    JsonLines,
    evidence,
    first_words,
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
# How a text is read: any words in it count, or only those that stand where the writer's own words do (log_lines).
TEXT, ENGINE_LOG, GATEWAY_LOG = "text", "engine log", "gateway log"

MOST_LINES = 20  # line numbers that are kept of one error

_IndexedPattern = Tuple[int, Pattern]


def reading_of(engine: str, source: str) -> str:
    """How a text of this ``source`` of ``engine`` is read: one of the constants above."""
    if source != "log":
        return TEXT
    return GATEWAY_LOG if engine == "gateway" else ENGINE_LOG


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
    lines: List[int] = field(default_factory=list)
    followers: Dict[int, Follower] = field(default_factory=dict)


@dataclass(frozen=True)
class Rules:
    """Errors and harmless lines, made ready for searching. Making them takes some milliseconds, so keep them."""

    errors: Tuple[KnownError, ...]
    benign: Tuple[Pattern, ...]
    anchors: Mapping[bytes, Tuple[_IndexedPattern, ...]]
    candidates: Candidates
    reading: str

    @classmethod
    def of(cls, errors: Sequence[KnownError], benign: Sequence[Pattern] = (), *, reading: str = ENGINE_LOG) -> Rules:
        """Rules for these errors, except in lines that are benign. ``reading``: one of the constants above."""
        patterns = [(index, pattern) for index, error in enumerate(errors) for pattern in error.patterns]
        anywhere = [entry for entry in patterns if reading == TEXT or entry[1].open_start]
        chosen = choose_anchors([pattern for _, pattern in anywhere])
        anchors = {anchor: tuple(anywhere[number] for number in numbers) for anchor, numbers in chosen.items()}
        bound = [entry for entry in patterns if reading != TEXT and not entry[1].open_start]
        return cls(tuple(errors), tuple(benign), anchors, Candidates(bound, json=reading == GATEWAY_LOG), reading)


class LogMatcher:
    """Feed a log in pieces of any size, then ask for the matches.

    ``since``: lines whose Docker time is older do not count (RFC 3339, UTC). Lines without such a time always count.
    ``number_lines``: give each match the numbers of its first lines, which costs another pass over the log.
    """

    def __init__(self, rules: Rules, since: str = "", *, number_lines: bool = False) -> None:
        self._rules = rules
        self._since = normalise_time(since)
        self._pieces: List[bytes] = []
        self._size = 0
        self._begun = False
        self._json: Optional[JsonLines] = None
        self._tail = b""
        self._in_long_line = False
        self._number_lines = number_lines
        self._lines_before = 0
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
        """Read what is left and return the matches in the order of their first appearance."""
        self._take(self._plain_text(final=True), final=True)
        return [self._match(index, tally) for index, tally in self._tallies.items()]

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
        """Search the complete lines; keep the unfinished one for later, unless it already fills a block.

        Of such a line the first block is searched, and the rest passed over: no evidence begins there.
        """
        data = self._tail + text
        if self._in_long_line:
            begin = data.find(b"\n") + 1
            self._tail = b""
            if not begin:
                return
            data, self._in_long_line = data[begin:], False
            self._lines_before += 1
        end = len(data) if final else data.rfind(b"\n") + 1
        self._in_long_line = not end and len(data) >= BLOCK
        if self._in_long_line:
            end = len(data)
        if end:
            self._search(strip_colours(data[:end]))
        self._tail = data[end:]

    def _search(self, data: bytes) -> None:
        spans = self._tracebacks.spans(data)
        incidents = [self._open_incident if span.continues else _Incident() for span in spans]
        starts = [span.start for span in spans]
        for hit in sorted(self._hits(data, spans, starts)):
            number = _span_of(hit.line, spans, starts)
            line = self._lines_before + data.count(b"\n", 0, hit.line) + 1 if self._number_lines else 0
            self._count(hit, _Incident() if number is None else incidents[number], line)
        self._open_incident = incidents[-1] if incidents else _Incident()
        if self._number_lines:
            self._lines_before += data.count(b"\n")

    def _hits(self, data: bytes, spans: Sequence[Span], starts: Sequence[int]) -> Set[_Hit]:
        found: Set[_Hit] = set()
        for anchor, patterns in self._rules.anchors.items():
            position = data.find(anchor)
            while position >= 0:
                start, end = line_start(data, position), line_end(data, position)
                in_traceback = _span_of(start, spans, starts) is not None
                found.update(self._examine(data[start:end], start, patterns, in_traceback=in_traceback))
                position = data.find(anchor, end)
        if self._rules.reading != TEXT:
            lines = {line_start(data, position) for position in self._rules.candidates.positions(data)}
            for start in lines.union(*(_line_starts(data, span) for span in spans)):
                in_traceback = _span_of(start, spans, starts) is not None
                found.update(self._examine(data[start : line_end(data, start)], start, (), in_traceback=in_traceback))
        return found

    def _examine(
        self, line: bytes, start: int, patterns: Sequence[_IndexedPattern], *, in_traceback: bool
    ) -> Iterator[_Hit]:
        """The known errors in the line at ``start``: by these patterns, or without any by those bound to places."""
        time, content = split_time(line)
        if time and time < self._since:
            return
        for text, index, position in self._matching(first_words(content), patterns, in_traceback=in_traceback):
            if not self._harmless(line, index):
                yield _Hit(start, position, index, evidence(text, position), time or local_time(content))

    def _matching(
        self, content: bytes, patterns: Sequence[_IndexedPattern], *, in_traceback: bool
    ) -> Iterator[Tuple[bytes, int, int]]:
        """The text in which a pattern of an error stands, the error's index, and where in the text it stands."""
        if self._rules.reading == TEXT:
            found = ((content, index, pattern.find(content)) for index, pattern in patterns)
        else:
            stands = places(content, in_traceback=in_traceback, ours=self._rules.reading == GATEWAY_LOG)
            found = (
                (content if self._rules.reading == ENGINE_LOG else place.text, index, position)
                for place in stands
                for index, position in self._standing(place, patterns)
            )
        return (hit for hit in found if hit[2] >= 0)

    def _standing(self, place: Place, patterns: Sequence[_IndexedPattern]) -> Iterator[Tuple[int, int]]:
        if not patterns:
            return self._rules.candidates.matching(place)
        return ((index, pattern.find_at(*place)) for index, pattern in patterns)

    def _harmless(self, line: bytes, index: int) -> bool:
        return any(p.find(line) >= 0 for p in self._rules.errors[index].unless + self._rules.benign)

    def _count(self, hit: _Hit, incident: _Incident, line: int) -> None:
        """Count the hit, in the line of this number or 0, as the root of its incident or as something that followed."""
        if hit.error in incident.seen:
            return
        incident.seen.add(hit.error)
        if incident.root is None:
            incident.root = hit.error
            tally = self._tallies.setdefault(hit.error, _Tally(evidence=hit.text, first_seen=hit.time))
            tally.count += 1
            if line and len(tally.lines) < MOST_LINES:
                tally.lines.append(line)
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
            lines=tuple(tally.lines),
        )


def match_text(data: bytes, rules: Rules, since: str = "") -> List[Match]:
    """The matches in a text that is at hand as a whole, causes first and what follows from them under them."""
    matcher = LogMatcher(rules, since)
    matcher.feed(data)
    return fold(matcher.finish())


def _span_of(position: int, spans: Sequence[Span], starts: Sequence[int]) -> Optional[int]:
    """The number of the traceback that the line at ``position`` lies in; its first line holds no exception."""
    number = bisect_right(starts, position) - 1
    return number if number >= 0 and position < spans[number].end else None


def _line_starts(data: bytes, span: Span) -> Iterator[int]:
    """Where the lines of a traceback begin."""
    start = line_start(data, span.start)
    while start < min(span.end, len(data)):
        yield start
        start = line_end(data, start) + 1
