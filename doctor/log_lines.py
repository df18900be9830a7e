"""What a line of a log may serve as evidence for: only the words that a program chose itself, never those it quotes.

A line is read by its shape. A record of a logger counts from ``WARNING`` on, from the start of its message; an
exception counts where one stands, at the end of a traceback; any other line counts from its first byte. Whatever
stands further inside a line may be quoted from a request and is no evidence.
"""

from __future__ import annotations

import json
import re
from typing import Any, Iterator, List, NamedTuple

_SERIOUS = (b"WARNING", b"WARN", b"ERROR", b"CRITICAL", b"FATAL", b"W", b"E", b"F")
_LEVEL = rb"(DEBUG|INFO|WARNING|WARN|ERROR|CRITICAL|FATAL)"
_TIME = rb"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?Z?"
# What compose, a shell or a logger writes before the words of a line: `gen-video | 2025-05-25 23:02:14.634 | `.
_DECORATION = re.compile(
    rb"(?:[\w.-]{1,64} {1,40}\| {0,4})?"
    rb"(?:\[?" + _TIME + rb"\]?(?: \|)? {1,4}|\[\d\d/\d\d/\d{4}-\d\d:\d\d:\d\d\] )?"
)
# Behind the time: loguru, Python's usual format with a name, `[ERROR] ` (gunicorn), onnxruntime, glog, and last a
# level with or without a logger's name behind it.
_RECORD = re.compile(
    _LEVEL + rb" {0,9}\| [\w.<>-]{1,128}:[\w.<>-]{1,64}:\d{1,7} - "
    rb"|(?:- )?[\w.-]{1,64} - " + _LEVEL + rb" - "
    rb"|(?:\[\d{1,9}\] )?\[" + _LEVEL + rb"\] {0,4}"
    rb"|(?:\d{1,12}[.:]\d{1,9} )?\[([VIWEF]):onnxruntime:[^\]\n]{0,200}\] "
    rb"|([IWEF])\d{4} \d\d:\d\d:\d\d(?:\.\d{1,9})? {1,8}\d{1,9} [^\]\s]{1,160}\] "
    rb"|" + _LEVEL + rb"(?::[A-Za-z_][\w.-]{0,80}:|(?::| ) {0,40}(?:[a-z_]\w{0,63}(?:\.\w{1,64}){1,8} )?)"
)
# Behind these words of the speech server of ours comes the exception that it speaks of.
_OUR_FAILURE = re.compile(
    rb"state=failed stage=\w{1,32} code=\w{1,32} exit_code=\d{1,3} |download attempt \d{1,4} of \d{1,4} failed: "
)
_ABORTED = b"  what():  "  # before the text of an exception that ended a program in C++
_DUIX_RECORD = re.compile(
    rb"(?:\[" + _TIME + rb"\] \[[^\]\[]{1,80}\[line:\d{1,6}\]\] \[" + _LEVEL + rb"\] \["
    rb"|" + _TIME + rb"-\[[\w.]{1,64}\]-[^\s\[]{1,80}\[line:\d{1,6}\]-" + _LEVEL + rb": )"
)
_DUIX_TASK = re.compile(rb"\[[\w.-]{1,128}\]")
_EXCEPTION = re.compile(rb"(?:[A-Za-z_]\w{0,63}\.){0,16}[A-Za-z_]\w{0,63}(?=: |$)")
_EXCEPTION_NAME = re.compile(rb"(?:Error|Exception|Warning|Exit|Interrupt|Timeout)$")
_GROUP_MARGIN = b" \t|+"
_INDENTS = (b" ", b"\t", b"|", b"+")
_OUR_LOGGERS = ("gateway", "gateway.")
# The operating system words these, so nothing in the first part of their text comes from a request.
_OS_ERRORS = frozenset(["OSError", "PermissionError", "FileNotFoundError", "MemoryError"])


class Place(NamedTuple):
    """Where evidence may begin: in ``text`` at ``first`` to ``last``. ``whole``: it must reach the end of the text."""

    text: bytes
    first: int
    last: int
    whole: bool = False


def places(content: bytes, *, in_traceback: bool, ours: bool = False) -> List[Place]:
    """The places in a line, without Docker's time, where evidence may begin.

    ``in_traceback``: the line lies in a traceback. ``ours``: the line was written by one of our gateways, whose log is
    JSON; other lines of theirs count only as the exception of the interpreter's own traceback.
    """
    if ours:
        return list(_json_places(content)) if content.startswith(b"{") else _os_error_places(content, in_traceback)
    record = _DUIX_RECORD.match(content)
    if record:
        return _duix_places(content, record.end()) if _level(record) in _SERIOUS else []
    text = content[_decoration(content) :]
    record = _RECORD.match(text)
    if record:
        return list(_record_places(text, record.end())) if _level(record) in _SERIOUS else []
    if text.startswith(_ABORTED):
        return [Place(text, len(_ABORTED), len(_ABORTED))]
    if in_traceback and (_ends_traceback(text.lstrip(_GROUP_MARGIN)) or text[:1] in _INDENTS):
        return _exception_places(text.lstrip(_GROUP_MARGIN))
    return [] if _is_exception(text) else [Place(text, 0, 0)]


def is_record(content: bytes) -> bool:
    """True for a line that a logger wrote, of whatever level."""
    return bool(_DUIX_RECORD.match(content) or _RECORD.match(content, _decoration(content)))


def opens_traceback(before: bytes) -> bool:
    """True when a traceback may begin after these bytes of a line: nothing but decoration or the head of a record."""
    rest = before[_decoration(before) :].strip(_GROUP_MARGIN)
    if rest in (b"", b"Exception Group"):
        return True
    record = _DUIX_RECORD.fullmatch(before) or _RECORD.fullmatch(rest + b" ")
    return bool(record and _level(record) in _SERIOUS)


def _level(record: "re.Match[bytes]") -> bytes:
    return next(level for level in record.groups() if level)


def _record_places(text: bytes, start: int) -> Iterator[Place]:
    """Where the message begins, and the exception at the end of a line that our speech server words itself."""
    yield Place(text, start, start)
    ours = _OUR_FAILURE.match(text, start)
    name = _EXCEPTION.match(text, ours.end()) if ours else None
    if ours and name:
        yield Place(text, ours.end(), name.end() + 2)


def _duix_places(content: bytes, start: int) -> List[Place]:
    """The message without the task's code, which the client chose: before the last arrow, or in brackets."""
    text = content[start:]
    if content[:1] == b"[" and text.endswith(b"]"):
        text = text[:-1]
    arrow = text.rfind(b" -> ")
    task = _DUIX_TASK.match(text)
    start = arrow + 4 if arrow >= 0 else task.end() if task else 0
    return [Place(text, start, start, whole=True)]


def _exception_places(text: bytes) -> List[Place]:
    """Within the exception's type, or where its message begins."""
    name = _EXCEPTION.match(text)
    return [Place(text, 0, name.end() + 2)] if name else []


def _os_error_places(content: bytes, in_traceback: bool) -> List[Place]:
    text = content[_decoration(content) :].lstrip(_GROUP_MARGIN)
    name = text.partition(b":")[0].decode("utf-8", "replace")
    return _exception_places(text) if in_traceback and name in _OS_ERRORS else []


def _json_places(content: bytes) -> Iterator[Place]:
    """Our own event at ``warning`` or above, and its exceptions' types; their texts where no request words them."""
    try:
        line = json.loads(content)
    except (ValueError, RecursionError):
        return
    if not isinstance(line, dict) or str(line.get("level", "")).upper().encode() not in _SERIOUS:
        return
    logger = str(line.get("logger", ""))
    if logger.startswith(_OUR_LOGGERS):
        yield _whole(str(line.get("event", "")))
    for entry in _exceptions(line.get("exception")):
        name, value = str(entry.get("exc_type", "")), str(entry.get("exc_value", ""))
        text = _whole(f"{name}: {value}" if name in _OS_ERRORS else name)
        yield text._replace(last=len(name) + 2, whole=False)


def _exceptions(value: Any) -> Iterator[Any]:
    for entry in value if isinstance(value, list) else []:
        if isinstance(entry, dict):
            yield entry


def _whole(text: str) -> Place:
    return Place(text.encode("utf-8", "replace"), 0, 0, whole=True)


def _decoration(content: bytes) -> int:
    match = _DECORATION.match(content)
    return match.end() if match else 0


def _ends_traceback(text: bytes) -> bool:
    """True for an exception; in a traceback a name with modules is one however it ends (onnxruntime's ``Fail``)."""
    name = _EXCEPTION.match(text)
    return bool(name and (b"." in name.group() or _EXCEPTION_NAME.search(name.group())))


def _is_exception(text: bytes) -> bool:
    name = _EXCEPTION.match(text)
    return bool(name and _EXCEPTION_NAME.search(name.group()))
