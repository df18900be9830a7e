"""A whole answer is a finished file, now and when it is served again; a stream says that it is one."""

from __future__ import annotations

import json
import struct
import subprocess
import time
from collections.abc import Iterator
from tempfile import NamedTemporaryFile
from typing import Any

import pytest
import requests

from tests.support.voice import VoiceBench, voice_bench

TEXT = "A finished file has its length."


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VoiceBench]:
    """With an engine that speaks whole sentences."""
    with voice_bench(tmp_path_factory.mktemp("finished"), engine={}) as made:
        yield made


@pytest.fixture(scope="module")
def voice(bench: VoiceBench) -> str:
    return bench.ready_voice()


def from_file(content: bytes, *command: str) -> bytes:
    """The output of a tool that reads a file, which it can seek in; a pipe gets an mp3 with its end not cut."""
    with NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        named = [file.name if part == "FILE" else part for part in command]
        return subprocess.run(named, capture_output=True, check=True).stdout


def header(content: bytes) -> dict[str, Any]:
    show = ("-of", "json", "-show_format", "-show_streams", "FILE")
    found: dict[str, Any] = json.loads(from_file(content, "ffprobe", "-v", "error", *show))
    return found


def decoded_seconds(content: bytes) -> float:
    pcm = from_file(content, "ffmpeg", "-v", "error", "-i", "FILE", "-ar", "48000", "-f", "s16le", "-")
    return len(pcm) / 2 / 48000


def stored(url: str, body: dict[str, Any]) -> requests.Response:
    """The answer once the speech is in the store, which takes a moment after the stream."""
    deadline = time.monotonic() + 20
    while True:
        answer = requests.post(url, json=body, timeout=30)
        if answer.headers["X-Speech"] == "file":
            return answer
        assert time.monotonic() < deadline


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "opus", "m4a"])
def test_a_whole_answer_is_as_long_as_the_speech(bench: VoiceBench, voice: str, kind: str) -> None:
    answer = bench.tts(voice, TEXT, format=kind).json()["data"]
    file = requests.get(bench.url + answer["audioUrl"], timeout=10)
    assert file.headers["X-Speech"] == "file"
    assert int(file.headers["Content-Length"]) == len(file.content) == answer["bytes"]
    assert decoded_seconds(file.content) == pytest.approx(answer["duration"], abs=0.002 if kind != "m4a" else 0.06)
    again = requests.get(bench.url + bench.tts(voice, TEXT, format=kind).json()["data"]["audioUrl"], timeout=10)
    assert again.content == file.content


@pytest.mark.parametrize("kind", ["flac", "mp3", "m4a"])
def test_the_header_has_the_length(bench: VoiceBench, voice: str, kind: str) -> None:
    content, seconds = bench.speech(voice, TEXT, format=kind), decoded_seconds(bench.speech(voice, TEXT))
    # An mp3's header counts whole frames; its tag says how much of them to leave out.
    assert float(header(content)["format"]["duration"]) == pytest.approx(seconds, abs=0.08 if kind == "mp3" else 0.01)
    if kind == "mp3":
        assert b"Info" in content[:64]
        assert b"LAME" in content[:256]
    if kind == "m4a":
        assert content.index(b"moov") < content.index(b"mdat")


def test_a_wav_has_both_its_sizes(bench: VoiceBench, voice: str) -> None:
    content = bench.speech(voice, TEXT)
    assert struct.unpack("<I", content[4:8])[0] == len(content) - 8
    assert struct.unpack("<I", content[40:44])[0] == len(content) - 44


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "opus", "aac", "m4a", "pcm"])
def test_a_stream_says_so_and_is_a_file_the_next_time(bench: VoiceBench, voice: str, kind: str) -> None:
    body = {"voice": voice, "input": f"First a stream of {kind}, then a file.", "response_format": kind}
    url = bench.url + "/v1/audio/speech"
    stream = requests.post(url, json=body, timeout=30)
    assert (stream.headers["X-Speech"], stream.headers["Accept-Ranges"]) == ("stream", "none")
    assert "Content-Length" not in stream.headers
    file = stored(url, body)
    assert file.headers["Accept-Ranges"] == "bytes"
    assert len(file.content) == len(stream.content)
    if kind != "pcm":
        # Where the encoder's own additions can be left out, they are.
        assert decoded_seconds(file.content) <= decoded_seconds(stream.content)
    if kind == "wav":
        assert struct.unpack("<II", stream.content[4:8] + stream.content[40:44]) == (0xFFFFFFFF, 0xFFFFFFFF)
        assert struct.unpack("<II", file.content[4:8] + file.content[40:44]) == (
            len(file.content) - 8,
            len(file.content) - 44,
        )
