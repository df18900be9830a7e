"""Results are told apart from empty, cut and foreign files."""

from __future__ import annotations

import io
import subprocess
import wave
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from module_utils.media_facts import NotMediaError, read_mp4, read_wav

CLIP = Path("roles/self_test/files/clip.mp4").read_bytes()


def wav(samples: bytes, rate: int = 22050, channels: int = 1, width: int = 2) -> bytes:
    """A WAV file around raw samples."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(samples)
    return buffer.getvalue()


@pytest.mark.parametrize(("rate", "channels"), [(22050, 1), (24000, 1), (48000, 2)])
def test_length_rate_and_peak_of_a_wav(rate: int, channels: int) -> None:
    speech = read_wav(wav(b"\x00\x40" * rate * channels * 2, rate, channels))
    assert speech.seconds == pytest.approx(2)
    assert speech.sample_rate == rate
    assert speech.peak == pytest.approx(0.5)


@pytest.mark.parametrize("content", [b"", b"RIFF", b"<html>", wav(b""), wav(b"\x00" * 300, width=3), CLIP])
def test_what_is_no_usable_wav_is_refused(content: bytes) -> None:
    with pytest.raises(NotMediaError):
        read_wav(content)


def test_length_and_tracks_of_an_mp4(tmp_path: Path) -> None:
    target = tmp_path / "made.mp4"
    sources = ["-f", "lavfi", "-i", "testsrc=d=3:s=64x64", "-f", "lavfi", "-i", "sine=d=3"]
    subprocess.run(["ffmpeg", "-v", "error", *sources, "-pix_fmt", "yuv420p", str(target)], check=True)
    movie = read_mp4(target.read_bytes())
    assert movie.tracks == 2
    assert movie.seconds == pytest.approx(3, abs=0.1)


@given(st.integers(min_value=0, max_value=len(CLIP) - 1))
@example(CLIP.index(b"mdat") - 4)
@settings(deadline=None)
def test_an_mp4_cut_anywhere_is_refused(length: int) -> None:
    with pytest.raises(NotMediaError):
        read_mp4(CLIP[:length])


@given(st.binary(max_size=400))
@settings(deadline=None)
def test_any_bytes_are_read_or_refused_but_never_break_the_reader(content: bytes) -> None:
    for reader in (read_wav, read_mp4):
        try:
            reader(content)
        except NotMediaError:
            continue
