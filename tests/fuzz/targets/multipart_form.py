"""A multipart body in pieces: a form within its bounds, or a refusal with a code; nothing is left on the disk."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from starlette.requests import Request
from starlette.types import Message

from gateway.domain.errors import GatewayError
from gateway.infrastructure.incoming import IncomingFolder
from gateway.web.multipart import Limits, receive_form

BOUNDARY = b"-----b"
FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-multipart-"))
INCOMING = IncomingFolder(FOLDER, reserve_bytes=0)
LIMITS = Limits(file_bytes=4096, field_bytes=256, parts=8, files=2)
SCOPE = {
    "type": "http",
    "method": "POST",
    "path": "/upload",
    "query_string": b"",
    "headers": [(b"content-type", b"multipart/form-data; boundary=" + BOUNDARY)],
}


def one_input(data: bytes) -> None:
    """Send any bytes as a body; ``\\x00B`` stands for the boundary, the first byte is the length of a piece."""
    body = data[1:].replace(b"\0B", b"\r\n--" + BOUNDARY)
    with quiet():
        asyncio.run(send(body, piece=data[0] + 1 if data else 1))
    assert not list(FOLDER.iterdir())


@contextmanager
def quiet() -> Iterator[None]:
    """No log lines meanwhile: the parser writes one for each body that it refuses."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


async def send(body: bytes, *, piece: int) -> None:
    """Receive a form from a body in pieces of equal length."""
    pieces = [body[start : start + piece] for start in range(0, len(body), piece)] or [b""]

    async def receive() -> Message:
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    try:
        async with receive_form(
            Request(SCOPE, receive), incoming=INCOMING, file_fields=frozenset({"audio"}), limits=LIMITS
        ) as form:
            assert sum(file.size for file in form.files.values()) <= LIMITS.file_bytes
            assert all(len(value.encode()) <= LIMITS.field_bytes * 3 for value in form.fields.values())
    except GatewayError:
        return
