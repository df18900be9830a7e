"""Clips without a face or with several fail before the engine gets them; where that is off, nobody looks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.video import VideoBench, ffmpeg, portrait, video_bench


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VideoBench]:
    with video_bench(tmp_path_factory.mktemp("strict"), face_check="on") as made:
        yield made


def test_one_face_is_taken(strict: VideoBench, speech: Path, tmp_path: Path) -> None:
    client = strict.client
    video = client.upload("video", portrait(tmp_path / "one.mp4", "null"))
    assert client.outcome(client.submit(client.upload("audio", speech), video))["status"] == 2


def test_no_face_and_several_fail_before_the_engine_works(
    strict: VideoBench, clip: Path, speech: Path, tmp_path: Path
) -> None:
    client = strict.client
    audio = client.upload("audio", speech)
    two = portrait(tmp_path / "two.mp4", "split[a][b];[b]hflip[c];[a][c]hstack")
    turned = tmp_path / "turned.mp4"
    ffmpeg("-i", two, "-vf", "setsar=1", "-r", "20", turned)  # one that is converted first
    for video, error in ((clip, "no_face"), (two, "several_faces"), (turned, "several_faces")):
        code = client.submit(audio, client.upload("video", video))
        failed = client.outcome(code)
        assert (failed["status"], failed["error"]) == (3, error)
        assert strict.renders(code) == 0


@pytest.mark.parametrize("settings", [{}, {"face_check": "auto"}, {"face_check": "off", "engine_mode": "gpu"}])
def test_test_pictures_are_taken_where_nobody_looks(
    tmp_path: Path, clip: Path, speech: Path, settings: dict[str, str]
) -> None:
    with video_bench(tmp_path, **settings) as bench:
        client = bench.client
        code = client.submit(client.upload("audio", speech), client.upload("video", clip))
        assert client.outcome(code)["status"] == 2
