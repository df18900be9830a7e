"""What the lines of a log consist of: line ends, time stamps, colours, Docker's JSON. Pure functions on bytes."""

from __future__ import annotations

import json
import re
from typing import Optional, Tuple

LONGEST_EVIDENCE = 400  # bytes of a log line that a report shows
LONGEST_MESSAGE = 1 << 20  # bytes of one JSON line or message that are kept while its parts are joined

_COLOUR = re.compile(rb"\x1b(?:\[[0-?]{0,32}[ -/]{0,8}[@-~]|[@-Z\\-_])")
_DOCKER_TIME = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?Z ")
_CREDENTIALS = re.compile(r"://[^/\s@]+@")
_LOCAL_TIME = re.compile(rb"\[?(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)")


def line_start(data: bytes, position: int) -> int:
    """Start of the line that ``position`` lies in."""
    return data.rfind(b"\n", 0, position) + 1


def line_end(data: bytes, position: int) -> int:
    """End of the line that ``position`` lies in, without its line feed."""
    end = data.find(b"\n", position)
    return len(data) if end < 0 else end


def first_words(line: bytes) -> bytes:
    """The line up to its first carriage return: what comes after it (a progress bar, a quoted text) begins no line."""
    return line.partition(b"\r")[0]


def strip_colours(data: bytes) -> bytes:
    """Remove ANSI escape sequences. Linear: every repetition in the expression is bounded."""
    return _COLOUR.sub(b"", data) if b"\x1b" in data else data


def normalise_time(stamp: str) -> str:
    """Give an RFC 3339 UTC time nine decimals, so that times compare as text. Other texts stay as they are."""
    match = _DOCKER_TIME.match(stamp.encode("ascii", "replace") + b" ")
    return _nine_decimals(match.group(1), match.group(2)) if match else stamp


def split_time(line: bytes) -> Tuple[Optional[str], bytes]:
    """Take Docker's time stamp off a line: (UTC time with nine decimals or None, the rest)."""
    match = _DOCKER_TIME.match(line)
    if not match:
        return None, line
    return _nine_decimals(match.group(1), match.group(2)), line[match.end() :]


def local_time(line: bytes) -> Optional[str]:
    """The time a line itself starts with, in either log generation of Duix or Python's own format; no zone."""
    match = _LOCAL_TIME.match(line)
    return f"{match.group(1).decode()}T{match.group(2).decode()}" if match else None


def evidence(line: bytes, position: int) -> str:
    """The line as a report shows it: printable, cut to LONGEST_EVIDENCE bytes around the match at ``position``."""
    start = 0 if position < LONGEST_EVIDENCE // 2 else position - LONGEST_EVIDENCE // 4
    cut = line[start : start + LONGEST_EVIDENCE].decode("utf-8", "replace")
    printable = "".join(char if char.isprintable() else " " for char in cut).strip(" |")
    return _CREDENTIALS.sub("://***@", printable)


def is_json(start: bytes) -> bool:
    """True when a log begins like Docker's json-file format."""
    return start.lstrip().startswith(b'{"log":')


class JsonLines:
    """Turns Docker's json-file format into plain lines with a time stamp; joins what Docker cut at 16 KiB.

    Lines that are no such JSON (a torn one, text of another program) pass through as they are.
    """

    def __init__(self) -> None:
        self._tail = b""
        self._message = b""

    def convert(self, data: bytes) -> bytes:
        """Plain text of the complete JSON lines in what was fed so far."""
        *lines, self._tail = (self._tail + data).split(b"\n")
        text = b"".join(self._plain(line) for line in lines)
        if len(self._tail) > LONGEST_MESSAGE:  # no line of Docker's is that long
            text, self._tail = text + self._tail, b""
        return text

    def rest(self) -> bytes:
        """Plain text of an unfinished last line or message."""
        text = self._plain(self._tail) if self._tail else b""
        text, self._tail, self._message = text + self._message, b"", b""
        return text

    def _plain(self, line: bytes) -> bytes:
        try:
            entry = json.loads(line)
            text = entry["log"].encode("utf-8", "replace")
            stamp = normalise_time(str(entry.get("time", ""))).encode("utf-8", "replace")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return line + b"\n"
        self._message = (self._message or stamp + b" ") + text
        if not text.endswith(b"\n") and len(self._message) < LONGEST_MESSAGE:
            return b""
        message, self._message = self._message, b""
        return message


def _nine_decimals(seconds: bytes, fraction: Optional[bytes]) -> str:
    return f"{seconds.decode()}.{(fraction or b'.')[1:].decode().ljust(9, '0')}Z"
