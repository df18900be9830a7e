"""A whole file says how long it is and what to leave out; a stream of it is playable as it comes."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.domain.voice.speech import AudioFormat
from gateway.infrastructure.voice.encoder import FfmpegEncoder
from gateway.infrastructure.voice.finished_files import FlacHead, Mp3Head, frame_bytes
from tests.support.recordings import RATE, person, spoken

SECONDS = 2.7
RATES = (16000, 22050, 24000, 44100, 48000)


def speech(rate: int) -> bytes:
    samples = spoken()[: int(SECONDS * RATE)]
    at = np.arange(int(SECONDS * rate)) * (RATE / rate)
    return (np.interp(at, np.arange(len(samples)), samples) * 32767).astype("<i2").tobytes()


async def encoded(kind: AudioFormat, pcm: bytes, rate: int) -> tuple[bytes, bytes]:
    """The stream, and the file that is left of it."""

    async def source() -> AsyncIterator[bytes]:
        for at in range(0, len(pcm), 4097):
            yield pcm[at : at + 4097]

    async with FfmpegEncoder().start(kind, rate) as encoding:
        stream = b"".join([piece async for piece in encoding.encode(source())])
        head = encoding.finished_head() or b""
    return stream, head + stream[len(head) :]


def decoded(content: bytes, folder: Path, *, kind: str = "file") -> NDArray[np.int16]:
    path = folder / kind
    path.write_bytes(content)
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-f", "s16le", "-"]
    return np.frombuffer(subprocess.run(command, check=True, capture_output=True).stdout, dtype="<i2")


def header(content: bytes, folder: Path) -> dict[str, str]:
    path = folder / "probed"
    path.write_bytes(content)
    command = ["ffprobe", "-v", "error", "-show_format", "-show_streams", "-of", "json", str(path)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return {**found["streams"][0], **found["format"]}


@pytest.mark.parametrize("rate", RATES)
async def test_a_flac_has_its_length_and_digest(tmp_path: Path, rate: int) -> None:
    pcm = speech(rate)
    stream, file = await encoded(AudioFormat.FLAC, pcm, rate)
    assert int.from_bytes(file[18:26], "big") & (1 << 36) - 1 == len(pcm) // 2
    assert file[26:42] == hashlib.md5(pcm, usedforsecurity=False).digest()
    assert float(header(file, tmp_path)["duration"]) == pytest.approx(len(pcm) / 2 / rate, abs=0.0001)
    assert decoded(file, tmp_path).tobytes() == decoded(stream, tmp_path).tobytes() == pcm
    assert len(stream) == len(file)


@pytest.mark.parametrize("rate", RATES)
async def test_an_mp3_plays_for_exactly_its_length(tmp_path: Path, rate: int) -> None:
    pcm = speech(rate)
    stream, file = await encoded(AudioFormat.MP3, pcm, rate)
    assert b"Info" in file[:40]
    assert b"LAME" in file[:200]
    played = decoded(file, tmp_path)
    assert len(played) == len(pcm) // 2
    # Nothing is shifted: it follows the original sample by sample.
    original = np.frombuffer(pcm, dtype="<i2").astype(np.float64)
    assert np.corrcoef(played, original)[0, 1] > 0.98
    # The stream has the same sound after a frame of silence at most, and the encoder's padding at its end.
    streamed = decoded(stream, tmp_path)
    frame = 1152 if rate >= 32000 else 576
    shifted = [streamed[start : start + len(played)] for start in (0, frame)]
    assert max(np.corrcoef(one, original)[0, 1] for one in shifted) > 0.98
    assert len(stream) == len(file)


async def test_an_mp3_names_its_frames_and_bytes(tmp_path: Path) -> None:
    _, file = await encoded(AudioFormat.MP3, speech(24000), 24000)
    frames, at = 0, 0
    while at < len(file):
        size = frame_bytes(file[at : at + 4])
        assert size > 0
        at += size
        frames += 1
    start = file.index(b"Info")
    assert int.from_bytes(file[start + 8 : start + 12], "big") == frames - 1
    assert int.from_bytes(file[start + 12 : start + 16], "big") == len(file)


@pytest.mark.parametrize("rate", RATES)
async def test_opus_leaves_out_what_the_encoder_added(tmp_path: Path, rate: int) -> None:
    pcm = speech(rate)
    _, file = await encoded(AudioFormat.OPUS, pcm, rate)
    assert int.from_bytes(file[file.index(b"OpusHead") + 10 :][:2], "little") > 0
    assert len(decoded(file, tmp_path)) == pytest.approx(len(pcm) / 2 * 48000 / rate, abs=48)


@pytest.mark.parametrize("rate", RATES)
async def test_an_m4a_has_its_index_in_front(tmp_path: Path, rate: int) -> None:
    pcm = speech(rate)
    stream, file = await encoded(AudioFormat.M4A, pcm, rate)
    assert stream == file
    assert file[4:8] == b"ftyp"
    assert file.index(b"moov") < file.index(b"mdat")
    assert float(header(file, tmp_path)["duration"]) == pytest.approx(SECONDS, abs=0.05)


@pytest.mark.parametrize("kind", [AudioFormat.MP3, AudioFormat.FLAC, AudioFormat.M4A, AudioFormat.OPUS])
async def test_a_single_sample_is_a_file_too(tmp_path: Path, kind: AudioFormat) -> None:
    _, file = await encoded(kind, b"\x01\x00", 24000)
    assert len(decoded(file, tmp_path)) <= 2400


@pytest.mark.parametrize("size", [1, 2, 3, 5, 383, 385])
async def test_pieces_of_any_size_give_the_same_mp3(size: int) -> None:
    _, whole = await encoded(AudioFormat.MP3, (person()[:RATE] * 32767).astype("<i2").tobytes(), RATE)
    frames = whole[frame_bytes(whole[:4]) :]
    head = Mp3Head()
    head.samples(bytes(RATE * 2))
    sent = b"".join(head.encoded(frames[at : at + size]) for at in range(0, len(frames), size))
    finished = head.finished()
    assert finished is not None
    assert sent[len(finished) :] == frames
    assert len(sent) == len(whole)


@pytest.mark.parametrize("junk", [b"", b"\xff", b"ID3\x04", b"\xff\xff\xff\xff" * 10])
def test_what_is_no_mp3_gets_no_tag(junk: bytes) -> None:
    head = Mp3Head()
    assert head.encoded(junk) in (junk, b"")
    assert head.finished() is None


def test_a_flac_that_ends_in_its_head_stays_as_it_is() -> None:
    head = FlacHead()
    head.encoded(b"fLaC")
    assert head.finished() is None
