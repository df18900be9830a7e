"""Clients that ask for speech and then read nothing: they must cost an honest client nothing."""

import json
import socket
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import requests

from tests.support.voice import VoiceBench, voice_bench

STALLED = 50
# 38 KB a sentence at this rate: more than the sockets of both sides take, so that the server can't get rid of it.
TEXT = "A long story about nothing in particular. " * 150
RATE = 192_000


def stalled_reader(bench: VoiceBench, voice: str, number: int, kind: str) -> socket.socket:
    """A client that asked, and that never reads."""
    body = json.dumps({"voice": voice, "input": f"{number}. {TEXT}", "response_format": kind}).encode()
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.connect(("127.0.0.1", bench.gateway.port))
    made.settimeout(200)
    made.sendall(
        f"POST /v1/audio/speech HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    )
    return made


@pytest.mark.slow
def test_fifty_stalled_readers_cost_an_honest_client_nothing(tmp_path: Path) -> None:
    long = {"max_text_chars": 20_000}
    # Nobody is hung up on within the test: whatever the honest client gets, it gets beside all of them.
    with (
        voice_bench(
            tmp_path, engine={"preview_free": 1, "preview_sample_rate": RATE, **long}, body_idle_timeout=3600, **long
        ) as bench,
        ExitStack() as stack,
    ):
        voices = [bench.ready_voice(device=device) for device in ("stalled", "honest")]
        readers = []
        for number in range(STALLED):
            reader = stack.enter_context(closing(stalled_reader(bench, voices[0], number, "wav")))
            readers.append(reader)
        for reader in readers:
            assert reader.recv(64).startswith(b"HTTP/1.1 200")
        assert bench.engine.wait_for(lambda health: health["queue"]["running"] == 0)
        # The engine is free although nobody has read; the honest client streams and gets its file.
        body = {"voice": voices[1], "input": "An honest request.", "response_format": "wav"}
        assert requests.post(bench.url + "/v1/audio/speech", json=body, timeout=60).content[:4] == b"RIFF"
        assert bench.speech(voices[1], "Another one.", device="honest")[:4] == b"RIFF"
        # All of them are still there, and whoever begins to read gets on.
        assert bench.metric("twinport_http_requests_in_flight") == STALLED + 1
        assert len(readers[-1].recv(1 << 16)) > 0
