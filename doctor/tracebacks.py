"""Finds where Python tracebacks begin and end, chained exceptions and exception groups included."""

from __future__ import annotations

from typing import List, NamedTuple, Optional

from .log_lines import is_record, opens_traceback
from .log_text import line_end, line_start, split_time

_START = b"Traceback (most recent call last)"
_CHAINS = (b"During handling of the above exception", b"The above exception was the direct cause")


class Span(NamedTuple):
    """Where a traceback lies in a block of the log; ``continues`` one that began in the block before."""

    start: int
    end: int
    continues: bool


class TracebackFinder:
    """Finds the tracebacks in consecutive blocks of whole lines.

    Stack lines are indented, so are all lines of an exception group and the continuation of a long message. The
    first line that is neither is the exception itself; the next such line ends the traceback, unless it chains a
    further exception.
    """

    def __init__(self) -> None:
        self._open = False
        self._exception_seen = False
        self._chained = False
        self._column = 0
        self._margin: Optional[int] = None

    def spans(self, data: bytes) -> List[Span]:
        """The tracebacks of the next block, in order."""
        found = []
        offset = 0
        if self._open:
            offset = self._walk(data, 0)
            found.append(Span(0, offset, continues=True))
        start = self._next(data, offset)
        while start >= 0:
            self._open, self._exception_seen, self._chained = True, False, False
            self._margin = None
            self._column = start - line_start(data, start)
            end = self._walk(data, line_end(data, start) + 1)
            found.append(Span(start, end, continues=False))
            start = self._next(data, end)
        return found

    def _next(self, data: bytes, offset: int) -> int:
        """Where the next traceback begins; the words alone, in a quoted text, begin none."""
        start = data.find(_START, offset)
        while start >= 0:
            begin = line_start(data, start)
            if opens_traceback(split_time(data[begin:start])[1]):
                return start
            start = data.find(_START, line_end(data, start))
        return -1

    def _walk(self, data: bytes, offset: int) -> int:
        """Offset of the first line after the traceback, or the end of the block while it is open."""
        while offset < len(data):
            end = line_end(data, offset)
            if not self._belongs(self._content(data[offset:end])):
                self._open = False
                return offset
            offset = end + 1
        return len(data)

    def _content(self, line: bytes) -> bytes:
        """The line without what a log writes before each one: Docker's time, or as much as before ``Traceback``."""
        if self._margin is None and line:
            self._margin = self._column if _is_stack_line(line[self._column :]) else 0
        return line[self._margin or 0 :] if self._margin else split_time(line)[1]

    def _belongs(self, line: bytes) -> bool:
        if not line.strip() or line[:1] in (b" ", b"\t"):
            return True
        if line.startswith(_CHAINS):
            self._chained = True
            return True
        if line.startswith(_START):
            chained, self._chained, self._exception_seen = self._chained, False, False
            return chained
        if is_record(line):
            # Docker keeps the order within standard output and within standard error, not between them.
            return not self._exception_seen
        first = not self._exception_seen
        self._exception_seen = True
        return first


def _is_stack_line(text: bytes) -> bool:
    return text.startswith(b'  File "')
