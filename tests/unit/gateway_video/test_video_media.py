"""Looking into files and making them right for the engine, with real ones."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from gateway.infrastructure import media
from gateway.infrastructure.media import ConversionError, NotMediaError
from gateway.infrastructure.sandbox import Bounds, Sandbox
from tests.support.video import facts, ffmpeg, make_clip, make_speech

H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox(1)


async def test_a_good_clip_goes_to_the_engine_as_it_is(tmp_path: Path, sandbox: Sandbox) -> None:
    info = await media.probe(sandbox, make_clip(tmp_path / "clip.mp4"))
    assert media.engine_can_take(info)


ODD_CLIPS = {
    "hevc.mp4": ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error"),
    "odd.mkv": ("-vf", "crop=159:119", "-c:v", "ffv1"),
    "deep.mp4": ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv422p10le"),
    "uneven.mp4": (*H264, "-vf", "setpts='if(gt(N,12),N*3,N)/25/TB'", "-vsync", "vfr"),
    "web.webm": ("-c:v", "libvpx", "-deadline", "realtime"),
}


@pytest.mark.parametrize("name", ODD_CLIPS)
async def test_other_clips_are_made_right(tmp_path: Path, sandbox: Sandbox, name: str) -> None:
    source = make_clip(tmp_path / name, options=ODD_CLIPS[name])
    await require_made_right(sandbox, source, tmp_path / "out.mp4")


async def test_a_turned_clip_is_set_upright(tmp_path: Path, sandbox: Sandbox) -> None:
    plain = make_clip(tmp_path / "plain.mp4")
    ffmpeg("-i", plain, "-c", "copy", "-metadata:s:v:0", "rotate=90", tmp_path / "turned.mp4")
    picture = await require_made_right(sandbox, tmp_path / "turned.mp4", tmp_path / "out.mp4")
    assert (picture.width, picture.height) == (120, 160)


async def require_made_right(sandbox: Sandbox, source: Path, target: Path) -> media.Picture:
    info = await media.probe(sandbox, source)
    assert not media.engine_can_take(info)
    await media.to_engine_video(sandbox, source, target, info=info, seconds=0.8, file_bytes=10**8, limit_seconds=60)
    made = await media.probe(sandbox, target)
    assert media.engine_can_take(made)
    assert made.picture is not None
    assert made.seconds is not None
    assert abs(made.seconds - 0.8) < 0.1
    return made.picture


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.m4a", "a.flac", "a.ogg", "a.aac"])
async def test_any_audio_becomes_16_khz_mono(tmp_path: Path, sandbox: Sandbox, name: str) -> None:
    source = make_speech(tmp_path / name, rate=44100)
    seconds = await media.to_engine_audio(
        sandbox, source, tmp_path / "o.wav", max_seconds=60, file_bytes=10**8, limit_seconds=60
    )
    stream = facts(tmp_path / "o.wav")["streams"][0]
    assert (stream["codec_name"], stream["sample_rate"], stream["channels"]) == ("pcm_s16le", "16000", 1)
    assert abs(seconds - 1.0) < 0.1
    assert abs(seconds - float(stream["duration"])) < 0.001


async def test_stereo_of_opposite_phases_stays_audible(tmp_path: Path, sandbox: Sandbox) -> None:
    ffmpeg("-f", "lavfi", "-i", "aevalsrc=0.5*sin(440*2*PI*t)|-0.5*sin(440*2*PI*t):d=1", tmp_path / "a.wav")
    await media.to_engine_audio(
        sandbox, tmp_path / "a.wav", tmp_path / "o.wav", max_seconds=60, file_bytes=10**8, limit_seconds=60
    )
    samples = np.frombuffer((tmp_path / "o.wav").read_bytes()[44:], dtype="<i2")
    assert np.abs(samples).max() > 10_000


async def test_a_header_without_sound_has_no_length(tmp_path: Path, sandbox: Sandbox) -> None:
    source = make_speech(tmp_path / "a.wav")
    source.write_bytes(source.read_bytes()[:78])
    target = tmp_path / "o.wav"
    try:
        seconds = await media.to_engine_audio(
            sandbox, source, target, max_seconds=60, file_bytes=10**8, limit_seconds=60
        )
    except ConversionError:
        return
    assert seconds == 0


async def test_endless_audio_is_cut(tmp_path: Path, sandbox: Sandbox) -> None:
    ffmpeg("-f", "lavfi", "-i", "anullsrc=r=16000:cl=mono", "-t", "600", tmp_path / "a.flac")
    seconds = await media.to_engine_audio(
        sandbox, tmp_path / "a.flac", tmp_path / "o.wav", max_seconds=5, file_bytes=10**8, limit_seconds=60
    )
    assert 5 < seconds <= 6


async def test_files_that_name_other_files_are_not_opened(tmp_path: Path, sandbox: Sandbox) -> None:
    secret = make_speech(tmp_path / "secret.wav")
    payloads = {
        "hls.wav": f"#EXTM3U\n#EXTINF:1,\n{secret}\n#EXT-X-ENDLIST\n",
        "concat.mp4": f"ffconcat version 1.0\nfile '{secret}'\n",
        "sdp.wav": "v=0\nc=IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\n",
        "subtitles.mp4": "WEBVTT\n\n00:00.000 --> 00:01.000\nx\n",
        "empty.mp4": "",
        "text.wav": "127.0.0.1 localhost\n",
    }
    for name, content in payloads.items():
        path = tmp_path / name
        path.write_text(content)
        with pytest.raises(NotMediaError):
            await media.probe(sandbox, path)
        with pytest.raises(ConversionError):
            await media.to_engine_audio(
                sandbox, path, tmp_path / "o.wav", max_seconds=5, file_bytes=10**8, limit_seconds=30
            )


async def test_a_process_that_hangs_is_ended(tmp_path: Path, sandbox: Sandbox) -> None:
    bounds = Bounds(wall_seconds=0.3, cpu_seconds=5, memory_bytes=10**9, file_bytes=10**6)
    done = await sandbox.run(["sleep", "613"], folder=tmp_path, bounds=bounds)
    assert done.timed_out
    assert not done.ok
    assert not processes_named("sleep", "613")


def processes_named(*command: str) -> list[Path]:
    wanted = "\0".join(command).encode() + b"\0"
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if path.read_bytes() == wanted:
                found.append(path)
    return found


async def test_a_process_can_not_fill_disk_or_memory(tmp_path: Path, sandbox: Sandbox) -> None:
    bounds = Bounds(wall_seconds=20, cpu_seconds=10, memory_bytes=10**9, file_bytes=10**6)
    written = tmp_path / "x"
    await sandbox.run(["dd", "if=/dev/zero", f"of={written}", "bs=64k", "count=1000"], folder=tmp_path, bounds=bounds)
    assert written.stat().st_size <= 10**6
    greedy = await sandbox.run(
        ["dd", "if=/dev/zero", "of=/dev/null", "bs=2G", "count=1"], folder=tmp_path, bounds=bounds
    )
    assert not greedy.ok


async def test_the_decoder_sees_nothing_of_our_environment(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWINPORT_API_KEY", "secret")
    bounds = Bounds(wall_seconds=5, cpu_seconds=5, memory_bytes=10**9, file_bytes=0)
    done = await sandbox.run(["env"], folder=tmp_path, bounds=bounds)
    assert b"secret" not in done.stdout
