"""A CosyVoice engine that costs next to nothing: it speaks the engine's HTTP and streams silence at a set pace.

The engine behind the gateways that are compared; a real model would hide every difference between them.
``python -m bench.servers.replay_engine --port P --chunks 20 --chunk-bytes 10240 --interval 0.025 [--slots 1]``
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import deque
from typing import cast

import httptools
import uvloop

RATE = 24000
HEALTH = {
    "state": "ready",
    "engine_mode": "preview",
    "model": "replay",
    "sample_rate": RATE,
    "modes": ["zero_shot", "cross_lingual"],
}
STREAM_HEAD = (
    f"HTTP/1.1 200 OK\r\nContent-Type: audio/L16; rate={RATE}; channels=1\r\nX-Sample-Rate: {RATE}\r\n"
    "X-Model: replay\r\nTransfer-Encoding: chunked\r\n\r\n"
).encode()


def _json(status: str, body: object) -> bytes:
    text = json.dumps(body).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
    return head.encode() + text


class Replay:
    """The stream, and the number of concurrent ones."""

    def __init__(self, *, chunks: int, chunk_bytes: int, interval: float, slots: int) -> None:
        self.chunks = chunks
        self.interval = interval
        self.chunk = f"{chunk_bytes:x}\r\n".encode() + bytes(chunk_bytes) + b"\r\n"
        self._free = slots
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def enter(self) -> None:
        """Wait for a slot."""
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        await turn

    def leave(self) -> None:
        """Pass the slot on."""
        if self._waiting:
            self._waiting.popleft().set_result(None)
        else:
            self._free += 1


class Connection(asyncio.Protocol):
    """One kept connection."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._streaming: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, _: Exception | None) -> None:
        if self._streaming is not None:
            self._streaming.cancel()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_message_complete(self) -> None:
        url, self._url = self._url, b""
        if url.startswith(b"/inference_"):
            self._streaming = asyncio.get_running_loop().create_task(self._stream())
        elif url.startswith(b"/voices"):
            self._transport.write(_json("201 Created", {"voice_id": "ev_replay"}))
        else:
            self._transport.write(_json("200 OK", HEALTH))

    async def _stream(self) -> None:
        replay = self._replay
        await replay.enter()
        try:
            self._transport.write(STREAM_HEAD + replay.chunk)
            for _ in range(replay.chunks - 1):
                if replay.interval:
                    await asyncio.sleep(replay.interval)
                self._transport.write(replay.chunk)
            self._transport.write(b"0\r\n\r\n")
        finally:
            replay.leave()


async def _serve(port: int, replay: Replay) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Connection(replay), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


def main() -> int:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--chunks", type=int, default=20)
    parser.add_argument("--chunk-bytes", type=int, default=10240)
    parser.add_argument("--interval", type=float, default=0.025, help="seconds between two chunks")
    parser.add_argument("--slots", type=int, default=100_000, help="streams at once; more wait")
    options = parser.parse_args()
    replay = Replay(
        chunks=options.chunks, chunk_bytes=options.chunk_bytes, interval=options.interval, slots=options.slots
    )
    uvloop.run(_serve(options.port, replay))
    return 0


if __name__ == "__main__":
    sys.exit(main())
