"""The right sound is found in real files of both entries, and looking for it is cheap and leaves nothing."""

from __future__ import annotations

import wave
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from gateway.domain.sound import Samples, dbfs, level
from gateway.domain.storage import StorageError
from gateway.infrastructure.sandbox import Bounds, Completed, Sandbox
from gateway.infrastructure.sound import ChosenSound, SoundChooser
from gateway.infrastructure.video.ffmpeg import Ffmpeg
from gateway.infrastructure.voice.normaliser import ReferenceNormaliser
from gateway.infrastructure.voice_detector import voice_detector
from tests.support.recordings import RATE, at_level, noise, person, plucked
from tests.support.video import ffmpeg
from tests.support.voice_parts import REFERENCE_RULES

VOICE = person()
SILENCE = np.zeros_like(VOICE)


def written(path: Path, *channels: Samples) -> Path:
    """A WAV of these channels."""
    samples = np.stack([np.resize(one, len(VOICE)) for one in channels], axis=1)
    with wave.open(str(path), "wb") as file:
        file.setparams((len(channels), 2, RATE, 0, "NONE", ""))
        file.writeframes((samples.clip(-1, 1) * 32767).astype("<i2").tobytes())
    return path


def joined(path: Path, *tracks: Path, options: tuple[str, ...] = ()) -> Path:
    """A file with all these tracks."""
    inputs = [part for track in tracks for part in ("-i", str(track))]
    maps = [part for number in range(len(tracks)) for part in ("-map", f"{number}:a")]
    ffmpeg(*inputs, *maps, *options, path)
    return path


def silent_first(folder: Path) -> Path:
    return joined(folder / "a.mkv", written(folder / "1.wav", SILENCE), written(folder / "2.wav", VOICE))


def music_first(folder: Path) -> Path:
    music, voice = written(folder / "1.wav", plucked(16, -12)), written(folder / "2.wav", VOICE)
    return joined(folder / "a.mp4", music, voice, options=("-c:a", "aac"))


def third_track(folder: Path) -> Path:
    quiet = written(folder / "1.wav", at_level(VOICE, -45))
    return joined(folder / "a.mka", quiet, written(folder / "2.wav", noise(16, -20)), written(folder / "3.wav", VOICE))


def beside_a_picture(folder: Path) -> Path:
    sounds = [written(folder / "1.wav", SILENCE), written(folder / "2.wav", VOICE)]
    inputs = [part for path in sounds for part in ("-i", path)]
    picture = ("-f", "lavfi", "-i", "testsrc=s=64x64:d=16:r=5")
    ffmpeg(*picture, *inputs, *("-map", "0:v", "-map", "1:a", "-map", "2:a", "-c:a", "aac"), folder / "a.mov")
    return folder / "a.mov"


def leftovers(folder: Path) -> list[Path]:
    return list(folder.glob(".*.part"))


FILES: dict[str, Callable[[Path], Path]] = {
    "a silent first track": silent_first,
    "a music track first": music_first,
    "a quiet one, hiss, and the voice": third_track,
    "a silent first track beside a picture": beside_a_picture,
    "opposite phases": lambda folder: written(folder / "a.wav", VOICE, -VOICE),
    "nearly opposite phases": lambda folder: written(folder / "a.wav", VOICE, -0.95 * VOICE),
    "one side": lambda folder: written(folder / "a.wav", SILENCE, VOICE),
    "5.1, centre": lambda folder: written(folder / "a.wav", *[SILENCE] * 2, VOICE, *[SILENCE] * 3),
    "the sixth of sixteen": lambda folder: written(folder / "a.wav", *[SILENCE] * 5, VOICE, *[SILENCE] * 10),
}


@pytest.mark.parametrize("kind", FILES)
async def test_both_entries_hear_the_voice_at_its_level(tmp_path: Path, kind: str) -> None:
    source = FILES[kind](tmp_path)
    tools = Ffmpeg(conversions=Sandbox(1), probes=Sandbox(1), detector=voice_detector)
    audio = tmp_path / "audio.wav"
    seconds = await tools.to_engine_audio(source, audio, max_seconds=60, file_bytes=10**8, limit_seconds=60)
    assert seconds == pytest.approx(len(VOICE) / RATE, abs=0.2)
    heard = np.frombuffer(audio.read_bytes()[44:], dtype="<i2").astype(np.float32) / 32768
    assert dbfs(level(heard)) == pytest.approx(dbfs(level(VOICE)), abs=1.0)

    normaliser = ReferenceNormaliser(
        rules=REFERENCE_RULES, sandbox=Sandbox(1), folder=tmp_path, detector=voice_detector
    )
    report = await normaliser.normalise(source, tmp_path / "reference.wav")
    assert report.speech_seconds > 12
    assert abs(report.gain_db) < 6
    assert leftovers(tmp_path) == []


class Watched(Sandbox):
    """Notes the commands that it runs."""

    def __init__(self) -> None:
        super().__init__(1)
        self.commands: list[list[str]] = []

    async def run(self, command, *, folder, bounds) -> Completed:  # type: ignore[no-untyped-def]
        self.commands.append(list(command))
        return await super().run(command, folder=folder, bounds=bounds)


async def test_of_a_long_recording_a_minute_is_sampled(tmp_path: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "anoisesrc=d=1800:a=0.1:r=8000", "-ac", "2", tmp_path / "long.flac")
    sandbox = Watched()
    await SoundChooser(probes=Sandbox(1), conversions=sandbox).choose(tmp_path / "long.flac", tmp_path)
    ((*command,),) = sandbox.commands
    lengths = [float(command[number + 1]) for number, part in enumerate(command) if part == "-t"]
    assert sum(lengths) == pytest.approx(60)
    assert leftovers(tmp_path) == []


async def test_one_mono_track_costs_no_sampling(tmp_path: Path) -> None:
    sandbox = Watched()
    source = written(tmp_path / "a.wav", VOICE)
    chosen = await SoundChooser(probes=Sandbox(1), conversions=sandbox).choose(source, tmp_path)
    assert chosen == ChosenSound(0, (1.0,))
    assert sandbox.commands == []


async def test_a_common_recording_costs_the_voice_entry_one_process(tmp_path: Path) -> None:
    for name in ("a.wav", "a.mp3", "a.m4a", "a.ogg"):
        ffmpeg("-i", written(tmp_path / "source.wav", VOICE, VOICE), tmp_path / name)
        sandbox = Watched()
        normaliser = ReferenceNormaliser(rules=REFERENCE_RULES, sandbox=sandbox, folder=tmp_path)
        await normaliser.normalise(tmp_path / name, tmp_path / "reference.wav")
        assert len(sandbox.commands) == 1, name


async def test_what_is_no_media_has_no_sound(tmp_path: Path) -> None:
    chooser = SoundChooser(probes=Sandbox(1), conversions=Sandbox(1))
    for content in (b"", b"just text\n" * 50, b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n"):
        (tmp_path / "file").write_bytes(content)
        assert await chooser.choose(tmp_path / "file", tmp_path) is None


class Killing(Sandbox):
    """Ends the programs of this name, as a system without memory does, and runs the others."""

    def __init__(self, program: str) -> None:
        super().__init__()
        self._program = program

    async def run(self, command: Sequence[str], *, folder: Path, bounds: Bounds) -> Completed:
        if command[0] == self._program:
            return Completed(-9, b"", "", killed=True)
        return await super().run(command, folder=folder, bounds=bounds)


@pytest.mark.parametrize("program", ["ffprobe", "ffmpeg"])
async def test_a_tool_that_the_system_ended_says_nothing_of_the_file(tmp_path: Path, program: str) -> None:
    sandbox = Killing(program)
    with pytest.raises(StorageError) as caught:
        await SoundChooser(probes=sandbox, conversions=sandbox).choose(silent_first(tmp_path), tmp_path)
    assert caught.value.code == "storage_busy"
    assert leftovers(tmp_path) == []
