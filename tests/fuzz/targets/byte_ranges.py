"""Requests for parts of a file: what is sent is what the answer says, and lies within the file."""

from __future__ import annotations

import asyncio
import re
import tempfile
from pathlib import Path

from starlette.types import Message

from gateway.domain.errors import GatewayError
from gateway.web.sendfile import SentFile, parse_range

CONTENT = bytes(range(256)) * 3
SIZES = (0, 1, 2, len(CONTENT), 1 << 40)
FILE = Path(tempfile.mkdtemp(prefix="fuzz-ranges-")) / "file"
FILE.write_bytes(CONTENT)
NAMES = (b"range", b"if-range", b"if-none-match", b"if-modified-since")
_PLAIN = re.compile(r"bytes=(\d{1,9})-(\d{1,9})", re.ASCII)


def one_input(data: bytes) -> None:
    """Each line is the value of a header: Range, and then the conditions."""
    values = [line.replace(b"\r", b"").replace(b"\0", b"") for line in data.split(b"\n")]
    for size in SIZES:
        require_within(values[0].decode("latin-1"), size)
    asyncio.run(ask(list(zip(NAMES, values, strict=False))))


def require_within(value: str, size: int) -> None:
    """A range is refused, ignored or within the file; a plain one is that which is written there."""
    try:
        span = parse_range(value, size)
    except GatewayError as error:
        assert error.code == "range_not_satisfiable"
        return
    assert span is None or 0 <= span.start < span.end <= size
    plain = _PLAIN.fullmatch(value)
    if plain and int(plain[1]) <= int(plain[2]):
        assert span is not None
        assert (span.start, span.end) == (int(plain[1]), min(size, int(plain[2]) + 1))


async def ask(headers: list[tuple[bytes, bytes]]) -> None:
    """Send a request for the file, and compare head and body of the answer."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": headers}
    await SentFile(FILE, media_type="audio/wav", headers={})(scope, receive, send)
    status, answered = sent[0]["status"], dict(sent[0]["headers"])
    body = b"".join(message.get("body", b"") for message in sent[1:])
    assert status in (200, 206, 304, 416)
    if status == 206:
        first, last, size = map(int, re.findall(rb"\d+", answered[b"content-range"]))
        assert (body, size) == (CONTENT[first : last + 1], len(CONTENT))
    elif status == 200:
        assert body == CONTENT
    if status in (200, 206):
        assert int(answered[b"content-length"]) == len(body)
