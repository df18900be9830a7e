"""Connections that say nothing, too little or too much, over real sockets."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.web.protocol import SPARE_CONNECTIONS, BoundedHttpProtocol

SOON = 0.2
PATIENCE = 10.0
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the length of the body once it has ended."""
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, more = size + len(message["body"]), message["more_body"]
    body = f"{size} bytes".encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def serving(app: ASGIApp = echo, **bounds: Any) -> AsyncIterator[int]:
    """A server with these bounds; yields its port."""
    protocol = type("Bounded", (BoundedHttpProtocol,), bounds)
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, http=protocol, ws="none", lifespan="off", log_config=None, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await running
        listener.close()


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def is_closed(reader: asyncio.StreamReader, *, within: float = PATIENCE) -> bool:
    try:
        async with asyncio.timeout(within):
            while await reader.read(65536):
                pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


async def answer(reader: asyncio.StreamReader, *, size: int = 7) -> bytes:
    async with asyncio.timeout(PATIENCE):
        head = await reader.readuntil(b"\r\n\r\n")
        return head + await reader.readexactly(size)


async def test_a_silent_connection_is_closed() -> None:
    async with serving(head_seconds=SOON) as port, connected(port) as (reader, _):
        assert await is_closed(reader)


async def test_empty_lines_are_no_request() -> None:
    async with serving(head_seconds=SOON) as port, connected(port) as (reader, writer):
        writer.write(b"\r\n\r\n")
        assert await is_closed(reader)


async def test_a_connection_that_was_served_is_kept_for_the_next_request() -> None:
    async with serving(head_seconds=SOON) as port, connected(port) as (reader, writer):
        for _ in range(2):
            writer.write(GET)
            assert b"0 bytes" in await answer(reader)
            await asyncio.sleep(3 * SOON)


async def test_half_a_head_after_an_answer_is_closed() -> None:
    async with serving(head_seconds=SOON) as port, connected(port) as (reader, writer):
        writer.write(GET)
        assert b"0 bytes" in await answer(reader)
        writer.write(GET[:10])
        assert await is_closed(reader)


async def test_bytes_behind_a_request_do_not_end_it() -> None:
    """Some clients send an empty line too many; their answer may take long."""

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(4 * SOON)
        await echo(scope, receive, send)

    async with serving(slow, head_seconds=SOON) as port, connected(port) as (reader, writer):
        writer.write(GET)
        await asyncio.sleep(SOON / 4)
        writer.write(b"\r\n")
        assert b"0 bytes" in await answer(reader)


async def test_a_new_client_takes_the_place_of_the_one_that_is_idle_longest() -> None:
    async with (
        serving(max_connections=2) as port,
        connected(port) as (served, writer),
        connected(port) as (silent, _),
    ):
        await asyncio.sleep(SOON)
        writer.write(GET)
        assert b"0 bytes" in await answer(served)
        async with connected(port) as (reader, third):
            third.write(GET)
            assert b"0 bytes" in await answer(reader)
            assert await is_closed(silent)
            assert not await is_closed(served, within=SOON)


async def test_busy_connections_are_bounded_with_an_answer() -> None:
    async with serving(max_connections=2) as port:
        busy = []
        for _ in range(2 + SPARE_CONNECTIONS):
            busy.append(await asyncio.open_connection("127.0.0.1", port))
            busy[-1][1].write(CHUNKED)
            await asyncio.sleep(0.02)
        async with connected(port) as (reader, _):
            async with asyncio.timeout(PATIENCE):
                head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            assert b" 503 " in head.splitlines()[0]
            assert b"Retry-After: 5" in head
            assert json.loads(body)["code"] == "overloaded"
        for reader, writer in busy:
            writer.write(b"0\r\n\r\n")
            assert b"0 bytes" in await answer(reader)
            writer.transport.abort()


async def test_short_trailers_are_ignored() -> None:
    async with serving() as port, connected(port) as (reader, writer):
        writer.write(CHUNKED + b"3\r\nabc\r\n0\r\nX-Checksum: 1\r\n\r\n")
        assert b"3 bytes" in await answer(reader)


async def test_trailers_are_bounded() -> None:
    for endless in (b"X-A: " + b"a" * 1000 + b"\r\n", b"a" * 1000):
        async with serving(max_head_bytes=10_000) as port, connected(port) as (reader, writer):
            writer.write(CHUNKED + b"3\r\nabc\r\n0\r\nX-A: ")
            for _ in range(50):
                writer.write(endless)
                await asyncio.sleep(0.005)
            assert await is_closed(reader)


async def test_chunk_extensions_are_bounded() -> None:
    async with serving(max_head_bytes=10_000) as port, connected(port) as (reader, writer):
        writer.write(CHUNKED + b"3;a=")
        for _ in range(50):
            writer.write(b"a" * 1000)
            await asyncio.sleep(0.005)
        assert await is_closed(reader)


async def test_a_long_body_in_small_chunks_is_no_trailer() -> None:
    async with serving(max_head_bytes=10_000) as port, connected(port) as (reader, writer):
        writer.write(CHUNKED)
        for _ in range(100):
            writer.write(b"1\r\nx\r\n" * 1000)
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        assert b"100000 bytes" in await answer(reader, size=12)


async def test_what_is_no_request_is_told_so_in_the_usual_shape() -> None:
    for broken in (b"hello\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", GET.replace(b"x", b"\0")):
        async with serving() as port, connected(port) as (reader, writer):
            writer.write(broken)
            async with asyncio.timeout(PATIENCE):
                head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            assert b" 400 " in head.splitlines()[0]
            assert json.loads(body)["code"] == "invalid_http"
            assert json.loads(body)["message"]
