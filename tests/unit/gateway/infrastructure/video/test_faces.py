"""Faces are found in real pictures, and none where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.domain.video.faces import Verdict
from gateway.infrastructure.sandbox import Sandbox
from gateway.infrastructure.video.faces import MtcnnFinder
from gateway.services.video.face_check import FaceCheck
from tests.support.video import H264, ffmpeg, make_clip, portrait

CLIPS = {
    "as it is": "null",
    "dark": "eq=brightness=-0.35",
    "grey": "hue=s=0",
    "soft": "gblur=2",
    "tilted": "rotate=PI/12",
    "mirrored": "hflip",
    "far away": "scale=240:240,pad=1280:720:500:240:gray",
    "beside a small one": "split[a][b];[b]scale=96:96[c];[a]pad=480:320[d];[d][c]overlay=350:20",
    "only at the end": "drawbox=color=gray:t=fill:enable='lt(t,0.8)'",
}


@pytest.fixture(scope="module")
def check() -> FaceCheck:
    return FaceCheck(MtcnnFinder(Sandbox(1)))


@pytest.mark.parametrize("name", CLIPS)
async def test_a_face_is_seen(tmp_path: Path, check: FaceCheck, name: str) -> None:
    clip = portrait(tmp_path / "clip.mp4", CLIPS[name])
    assert await check.verdict(clip, seconds=1.0) is Verdict.ONE_FACE


async def test_two_people_side_by_side_are_several(tmp_path: Path, check: FaceCheck) -> None:
    clip = portrait(tmp_path / "clip.mp4", "split[a][b];[b]hflip[c];[a][c]hstack")
    assert await check.verdict(clip, seconds=1.0) is Verdict.SEVERAL_FACES


@pytest.mark.parametrize("source", ["testsrc=s=640x480:d=1", "testsrc2=s=640x480:d=1", "gray"])
async def test_where_there_is_none_none_is_seen(tmp_path: Path, check: FaceCheck, source: str) -> None:
    picture = "color=gray:s=320x240:d=1" if source == "gray" else source
    ffmpeg("-f", "lavfi", "-i", picture, "-t", "1", *H264, tmp_path / "clip.mp4")
    assert await check.verdict(tmp_path / "clip.mp4", seconds=1.0) is Verdict.NO_FACE


async def test_what_can_not_be_looked_at_is_not_rejected(tmp_path: Path, check: FaceCheck) -> None:
    assert await check.verdict(tmp_path / "missing.mp4", seconds=1.0) is Verdict.ONE_FACE
    assert await check.verdict(make_clip(tmp_path / "c.mp4", seconds=0.2), seconds=900.0) is Verdict.ONE_FACE
