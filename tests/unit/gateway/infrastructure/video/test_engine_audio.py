"""The same uploads as sound for a video: whole, as far as they go, or refused with a name."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.domain.video.media import NotMediaError
from gateway.infrastructure.sandbox import Sandbox
from gateway.infrastructure.video.ffmpeg import Ffmpeg
from tests.support.uploads import UNREADABLE, UPLOADS


@pytest.fixture
def tools() -> Ffmpeg:
    return Ffmpeg(conversions=Sandbox(1), probes=Sandbox(1))


@pytest.mark.slow
@pytest.mark.parametrize("kind", UPLOADS)
async def test_what_phones_and_chats_send_is_heard(tmp_path: Path, tools: Ffmpeg, kind: str) -> None:
    source = tmp_path / "upload.wav"
    source.write_bytes(UPLOADS[kind]())
    info = await tools.probe(source)
    assert (info.has_sound, info.picture) == (True, None)
    seconds = await tools.to_engine_audio(
        source, tmp_path / "o.wav", max_seconds=60, file_bytes=10**8, limit_seconds=60
    )
    assert 8 < seconds < 12 if "truncated" in kind else 13 < seconds < 15


# A photo can be read here: as a picture.
@pytest.mark.parametrize("kind", [kind for kind in UNREADABLE if kind != "a photo"])
async def test_what_can_not_be_read_is_named(tmp_path: Path, tools: Ffmpeg, kind: str) -> None:
    make, words = UNREADABLE[kind]
    source = tmp_path / "upload.wav"
    source.write_bytes(make())
    if words == "SILK":
        # What was decoded counts, and that is nothing: the task fails for want of sound.
        target = tmp_path / "o.wav"
        assert await tools.to_engine_audio(source, target, max_seconds=5, file_bytes=10**8, limit_seconds=30) == 0
        return
    with pytest.raises(NotMediaError) as refused:
        await tools.probe(source)
    assert refused.value.incomplete if words == "incomplete" else words in refused.value.kind
