"""Only so much of a recording is decoded as it takes, and what is left out is never missed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.domain.errors import GatewayError
from gateway.domain.voice.voice import ReferenceReport
from gateway.infrastructure.sandbox import Bounds, Completed, Sandbox
from gateway.infrastructure.voice.normaliser import ReferenceNormaliser
from gateway.infrastructure.voice_detector import voice_detector
from tests.support.uploads import by_ffmpeg
from tests.support.voice_parts import REFERENCE_RULES

RULES = replace(REFERENCE_RULES, sample_rate=16000, least_speech_seconds=3.0)


class Counting(Sandbox):
    """Counts the decoders that it runs, and can lie about how they ended."""

    def __init__(self, answer: Completed | None = None) -> None:
        super().__init__(1)
        self.runs = 0
        self._answer = answer

    async def run(self, command: object, *, folder: Path, bounds: Bounds) -> Completed:
        self.runs += 1
        return self._answer or await super().run(command, folder=folder, bounds=bounds)  # type: ignore[arg-type]


async def made(content: bytes, folder: Path) -> tuple[ReferenceReport, int]:
    (folder / "upload").write_bytes(content)
    sandbox = Counting()
    normaliser = ReferenceNormaliser(rules=RULES, sandbox=sandbox, folder=folder, detector=voice_detector)
    return await normaliser.normalise(folder / "upload", folder / "reference.wav"), sandbox.runs


def repeated(seconds: float, filters: str = "anull") -> bytes:
    looped = f"aloop=loop=-1:size=2e6,atrim=end={seconds},{filters}"
    return by_ffmpeg("-af", looped, "-ac", "2", name="a.mp3")


async def test_of_plenty_of_speech_only_the_beginning_is_decoded(tmp_path: Path) -> None:
    report, runs = await made(repeated(120), tmp_path)
    assert (report.cut, runs) == (True, 1)
    assert report.decoded_seconds == pytest.approx(45, abs=0.5)
    assert report.speech_seconds > 24


async def test_a_short_recording_is_decoded_once_and_whole(tmp_path: Path) -> None:
    report, runs = await made(repeated(28), tmp_path)
    assert (report.cut, runs) == (False, 1)
    assert report.decoded_seconds == pytest.approx(28, abs=0.5)


async def test_speech_that_comes_late_is_found(tmp_path: Path) -> None:
    report, runs = await made(repeated(20, "adelay=70s:all=1"), tmp_path)
    assert runs == 2
    assert report.start_seconds == pytest.approx(70, abs=1.6)


async def test_silence_at_the_end_does_not_count_as_cut(tmp_path: Path) -> None:
    """The transcript stays valid: nothing that was said is missing."""
    report, runs = await made(repeated(25, "apad=pad_dur=60"), tmp_path)
    assert (report.cut, runs) == (False, 2)


async def test_a_clipped_beginning_has_the_rest_looked_at(tmp_path: Path) -> None:
    report, runs = await made(repeated(100, "volume=25dB:enable='lt(t,50)':eval=frame"), tmp_path)
    assert runs == 2
    assert report.start_seconds > 45


async def test_what_a_file_says_of_itself_is_no_trouble_of_the_host(tmp_path: Path) -> None:
    """A title of such words once made the host wait for disk space."""
    said = "Input #0, mp3, from 'upload':\n    title           : No space left on device\nupload: Invalid data"
    (tmp_path / "upload").write_bytes(b"x")
    normaliser = ReferenceNormaliser(rules=RULES, sandbox=Counting(Completed(1, b"", said)), folder=tmp_path)
    with pytest.raises(GatewayError, match="reference_not_audio"):
        await normaliser.normalise(tmp_path / "upload", tmp_path / "reference.wav")
