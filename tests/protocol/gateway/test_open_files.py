"""Whatever clients give up and whatever fails meanwhile, no file stays open behind them."""

from __future__ import annotations

import errno
import json
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import requests
from websockets.sync.client import connect

from tests.support.faults import Faults, descriptors, leftovers
from tests.support.servers import Server
from tests.support.video import VideoBench, make_clip, video_bench
from tests.support.voice import VoiceBench, voice_bench

FORMATS = ["wav", "mp3", "m4a"]
# Of an answer, when its reader leaves: none, its beginning, and more than a growing file keeps in memory.
READ = (0, 1, 300_000)
# Lasts longer, at the engine's speed, than it goes on for a reader that may come back.
ENDLESS = "One of so many sentences that nobody waits for them. " * 60
LONG = "This is one of many sentences that nobody hears to their end. " * 6
# The database's connections are kept, and opened as they are needed.
STAYS = ("gateway.sqlite3", "gateway.lock")
PATIENCE = 30.0
STOPPED = '"event": "synthesis failed"'
RESET = struct.pack("ii", 1, 0)


@pytest.fixture(scope="module")
def voice(faults: Faults, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VoiceBench]:
    (faults.folder / "tmp").mkdir()
    environment = {**faults.environment, "TMPDIR": str(faults.folder / "tmp")}
    with voice_bench(
        tmp_path_factory.mktemp("voice"),
        engine={"preview_rtf": 0.02, "max_text_chars": 10_000},
        max_text_chars=10_000,
        data_dir=faults.folder / "data",
        process_environment=environment,
    ) as made:
        made.speech(made.ready_voice(), "Warm up.")
        yield made


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VideoBench]:
    with video_bench(tmp_path_factory.mktemp("video").resolve()) as made:
        yield made


@contextmanager
def nothing_left_open(server: Server, folder: Path) -> Iterator[None]:
    """What happens within leaves no file below the folder open, no pipe to a process, and nothing half-made."""
    pipes = sum(link.startswith("pipe:") for link in descriptors(server))
    yield
    deadline = time.monotonic() + PATIENCE
    while True:
        links = descriptors(server)
        kept = [link for link in links if link.startswith(f"{folder}/") and not any(name in link for name in STAYS)]
        if not kept and sum(link.startswith("pipe:") for link in links) <= pipes:
            break
        assert time.monotonic() < deadline, kept or links
        time.sleep(0.1)
    assert leftovers(folder) == []


def ask_and_leave(server: Server, method: str, path: str, body: Any = None, *, after: int, more: bytes = b"") -> None:
    """Send a request, read so many bytes of the answer, and reset the connection."""
    content = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        client.sendall(head.encode() + more + f"Content-Length: {len(content)}\r\n\r\n".encode() + content)
        while after > 0 and (block := client.recv(min(after, 1 << 16))):
            after -= len(block)


def stream(bench: VoiceBench, voice_id: str, text: str, kind: str = "wav") -> int:
    """A stream that is read to its end, if it has one."""
    body = {"input": text, "voice": voice_id, "response_format": kind}
    with suppress(requests.RequestException):
        return len(requests.post(bench.url + "/v1/audio/speech", json=body, timeout=PATIENCE).content)
    return 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", FORMATS)
def test_streams_that_are_given_up(voice: VoiceBench, faults: Faults, kind: str) -> None:
    speaker = voice.ready_voice()
    more: dict[str, Any]
    with nothing_left_open(voice.gateway, faults.folder):
        for number, more in enumerate(({}, {"stream_format": "sse"}, {"speed": 1.5})):
            for after in READ:
                text = f"Stream {number} up to {after} in {kind}. {LONG}"
                body = {"input": text, "voice": speaker, "response_format": kind, **more}
                ask_and_leave(voice.gateway, "POST", "/v1/audio/speech", body, after=after)


@pytest.mark.slow
@pytest.mark.parametrize("kind", FORMATS)
def test_streams_that_nobody_comes_back_for(voice: VoiceBench, faults: Faults, kind: str) -> None:
    speaker, stopped = voice.ready_voice(), voice.gateway.output().count(STOPPED)
    with nothing_left_open(voice.gateway, faults.folder):
        for number in range(2):
            body = {"input": f"Number {number} in {kind}. {ENDLESS}", "voice": speaker, "response_format": kind}
            ask_and_leave(voice.gateway, "POST", "/v1/audio/speech", body, after=0 if kind == "m4a" else 1)
            time.sleep(1)  # until it is spoken
    assert voice.gateway.output().count(STOPPED) > stopped


@pytest.mark.slow
@pytest.mark.parametrize("kind", FORMATS)
def test_stored_speech_that_is_not_read_to_its_end(voice: VoiceBench, faults: Faults, kind: str) -> None:
    speaker, text = voice.ready_voice(), f"Stored in {kind}. {LONG}"
    file = voice.tts(speaker, text, format=kind).json()["data"]["audioUrl"]
    body = {"input": text, "voice": speaker, "response_format": kind}
    with nothing_left_open(voice.gateway, faults.folder):
        for after in READ:
            ask_and_leave(voice.gateway, "GET", file, after=after)
            ask_and_leave(voice.gateway, "GET", file, after=after, more=b"Range: bytes=1000-\r\n")
            ask_and_leave(voice.gateway, "HEAD", file, after=after and 1)
            ask_and_leave(voice.gateway, "POST", "/v1/audio/speech", body, after=after)
            ask_and_leave(voice.gateway, "POST", "/v1/audio/speech", {**body, "stream_format": "sse"}, after=after)
            ask_and_leave(voice.gateway, "GET", f"/v1/voices/{speaker}/export?device_id=device-1", after=after)
            ask_and_leave(voice.gateway, "HEAD", f"/v1/voices/{speaker}/export?device_id=device-1", after=after and 1)


@pytest.mark.slow
def test_text_streams_that_are_cut(voice: VoiceBench, faults: Faults) -> None:
    address = voice.url.replace("http://", "ws://") + "/v1/audio/speech/stream"
    with nothing_left_open(voice.gateway, faults.folder):
        for number, kind in enumerate(("wav", "mp3", "pcm")):
            for heard in (0, 1, 4):
                with connect(address, proxy=None) as client:
                    config = {"voice": "alloy", "response_format": kind, "stream_audio": True}
                    client.send(json.dumps({"type": "session.config", **config}))
                    client.send(json.dumps({"type": "input.text", "text": f"Cut {number} after {heard}. {LONG}"}))
                    for _ in range(heard):
                        client.recv(PATIENCE)
                    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                    client.socket.close()


@pytest.mark.slow
@pytest.mark.parametrize("error", [errno.EIO, errno.EMFILE])
def test_files_that_cannot_be_opened_read_or_written(voice: VoiceBench, faults: Faults, error: int) -> None:
    speaker = voice.ready_voice()
    stored = f"Stored before {error}. {LONG}"
    file = voice.tts(speaker, stored).json()["data"]["audioUrl"]
    with nothing_left_open(voice.gateway, faults.folder):
        for at in range(1, 20, 2):
            kind = FORMATS[at % len(FORMATS)]
            with faults.nth(at, error):
                stream(voice, speaker, f"Number {at} of {error}.", kind)
            with faults.nth(at, error):
                stream(voice, speaker, stored, kind)
            with faults.nth(at, error), suppress(requests.RequestException):
                requests.get(voice.url + file, timeout=PATIENCE)
            with faults.nth(at, error):
                voice.tts(speaker, f"Whole number {at} of {error}.", format=kind)


@pytest.mark.slow
def test_voices_that_are_deleted_and_engines_that_die_while_they_speak(voice: VoiceBench, faults: Faults) -> None:
    with nothing_left_open(voice.gateway, faults.folder):
        for kind in FORMATS:
            speaker = voice.ready_voice(device="deleted")
            body = {"input": f"Deleted in {kind}. {LONG}", "voice": speaker, "response_format": kind}
            with requests.post(voice.url + "/v1/audio/speech", json=body, stream=True, timeout=PATIENCE) as answer:
                next(answer.iter_content(100), b"")
                gone = requests.delete(
                    f"{voice.url}/v1/voices/{speaker}", params={"device_id": "deleted"}, timeout=PATIENCE
                )
                assert gone.status_code == 200
        speaker = voice.ready_voice()
        for kind in FORMATS:
            body = {"input": f"Dead in {kind}. {LONG}", "voice": speaker, "response_format": kind}
            with requests.post(voice.url + "/v1/audio/speech", json=body, stream=True, timeout=PATIENCE) as answer:
                next(answer.iter_content(100), b"")
                voice.engine.kill()
            voice.engine.start().wait_until_up()
            voice.wait_until_ready()


@pytest.mark.slow
def test_uploads_and_downloads_that_are_cut(video: VideoBench, tmp_path: Path) -> None:
    server, clip = video.gateway, make_clip(tmp_path / "v.mp4", seconds=5.0, size="640x480")
    name = video.client.upload("video", clip)
    tus = {"Tus-Resumable": "1.0.0"}
    field = "field dmlkZW8=,filename Y3V0Lm1wNA=="  # video, cut.mp4
    with nothing_left_open(server, video.media):
        for after in READ:
            ask_and_leave(server, "GET", f"/download?path={name}", after=after)
            ask_and_leave(server, "GET", f"/download?path={name}", after=after, more=b"Range: bytes=1000-\r\n")
            headers = {**tus, "Upload-Length": "10000000", "Upload-Metadata": field}
            created = requests.post(server.url + "/upload/resumable", headers=headers, timeout=PATIENCE)
            piece = b"Tus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\n"
            for target in ((created.headers["Location"], b"PATCH", piece), ("/upload", b"POST", b"")):
                _send_half(server, *target, size=after)


def _send_half(server: Server, path: str, method: bytes, headers: bytes, *, size: int) -> None:
    """A body that ends early, by a reset."""
    if not headers:
        headers = b"Content-Type: multipart/form-data; boundary=x\r\n"
    begun = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n' if method == b"POST" else b""
    )
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        client.sendall(method + b" " + path.encode() + b" HTTP/1.1\r\nHost: localhost\r\n" + headers)
        client.sendall(b"Content-Length: 10000000\r\n\r\n" + begun + bytes(size))
        time.sleep(0.2)  # until some of it has been read: a reset takes back what has not
