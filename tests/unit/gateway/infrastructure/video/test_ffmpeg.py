"""Looking into files and making them right for the engine, with real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gateway.domain.video.media import ConversionError, NotMediaError, Picture, engine_can_take
from gateway.infrastructure.sandbox import Sandbox
from gateway.infrastructure.video.ffmpeg import Ffmpeg
from tests.support.video import facts, ffmpeg, make_clip, make_speech

H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")


@pytest.fixture
def tools() -> Ffmpeg:
    return Ffmpeg(conversions=Sandbox(1), probes=Sandbox(1))


async def test_a_good_clip_goes_to_the_engine_as_it_is(tmp_path: Path, tools: Ffmpeg) -> None:
    info = await tools.probe(make_clip(tmp_path / "clip.mp4"))
    assert engine_can_take(info)


ODD_CLIPS = {
    "hevc.mp4": ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error"),
    "odd.mkv": ("-vf", "crop=159:119", "-c:v", "ffv1"),
    "deep.mp4": ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv422p10le"),
    "uneven.mp4": (*H264, "-vf", "setpts='if(gt(N,12),N*3,N)/25/TB'", "-vsync", "vfr"),
    "web.webm": ("-c:v", "libvpx", "-deadline", "realtime"),
}


@pytest.mark.parametrize("name", ODD_CLIPS)
async def test_other_clips_are_made_right(tmp_path: Path, tools: Ffmpeg, name: str) -> None:
    source = make_clip(tmp_path / name, options=ODD_CLIPS[name])
    await require_made_right(tools, source, tmp_path / "out.mp4")


async def test_a_turned_clip_is_set_upright(tmp_path: Path, tools: Ffmpeg) -> None:
    plain = make_clip(tmp_path / "plain.mp4")
    ffmpeg("-i", plain, "-c", "copy", "-metadata:s:v:0", "rotate=90", tmp_path / "turned.mp4")
    picture = await require_made_right(tools, tmp_path / "turned.mp4", tmp_path / "out.mp4")
    assert (picture.width, picture.height) == (120, 160)


async def require_made_right(tools: Ffmpeg, source: Path, target: Path) -> Picture:
    info = await tools.probe(source)
    assert not engine_can_take(info)
    await tools.to_engine_video(source, target, info=info, seconds=0.8, file_bytes=10**8, limit_seconds=60)
    made = await tools.probe(target)
    assert engine_can_take(made)
    assert made.picture is not None
    assert made.seconds is not None
    assert abs(made.seconds - 0.8) < 0.1
    return made.picture


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.m4a", "a.flac", "a.ogg", "a.aac"])
async def test_any_audio_becomes_16_khz_mono(tmp_path: Path, tools: Ffmpeg, name: str) -> None:
    source = make_speech(tmp_path / name, rate=44100)
    seconds = await tools.to_engine_audio(
        source, tmp_path / "o.wav", max_seconds=60, file_bytes=10**8, limit_seconds=60
    )
    stream = facts(tmp_path / "o.wav")["streams"][0]
    assert (stream["codec_name"], stream["sample_rate"], stream["channels"]) == ("pcm_s16le", "16000", 1)
    assert abs(seconds - 1.0) < 0.1
    assert abs(seconds - float(stream["duration"])) < 0.001


async def test_stereo_of_opposite_phases_stays_audible(tmp_path: Path, tools: Ffmpeg) -> None:
    ffmpeg("-f", "lavfi", "-i", "aevalsrc=0.5*sin(440*2*PI*t)|-0.5*sin(440*2*PI*t):d=1", tmp_path / "a.wav")
    await tools.to_engine_audio(
        tmp_path / "a.wav", tmp_path / "o.wav", max_seconds=60, file_bytes=10**8, limit_seconds=60
    )
    samples = np.frombuffer((tmp_path / "o.wav").read_bytes()[44:], dtype="<i2")
    assert np.abs(samples).max() > 10_000


async def test_a_header_without_sound_has_no_length(tmp_path: Path, tools: Ffmpeg) -> None:
    source = make_speech(tmp_path / "a.wav")
    source.write_bytes(source.read_bytes()[:78])
    target = tmp_path / "o.wav"
    try:
        seconds = await tools.to_engine_audio(source, target, max_seconds=60, file_bytes=10**8, limit_seconds=60)
    except ConversionError:
        return
    assert seconds == 0


async def test_endless_audio_is_cut(tmp_path: Path, tools: Ffmpeg) -> None:
    ffmpeg("-f", "lavfi", "-i", "anullsrc=r=16000:cl=mono", "-t", "600", tmp_path / "a.flac")
    seconds = await tools.to_engine_audio(
        tmp_path / "a.flac", tmp_path / "o.wav", max_seconds=5, file_bytes=10**8, limit_seconds=60
    )
    assert 5 < seconds <= 6


async def test_files_that_name_other_files_are_not_opened(tmp_path: Path, tools: Ffmpeg) -> None:
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
            await tools.probe(path)
        with pytest.raises(ConversionError):
            await tools.to_engine_audio(path, tmp_path / "o.wav", max_seconds=5, file_bytes=10**8, limit_seconds=30)
