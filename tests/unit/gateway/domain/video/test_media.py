"""What the engine takes as it is, and how large the rest becomes."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from gateway.domain.video.media import (
    MediaInfo,
    Picture,
    Turn,
    audio_bytes,
    engine_can_take,
    engine_rate,
    engine_size,
    likely_video_bytes,
)

PICTURE = Picture("h264", "yuv420p", 160, 120, Fraction(25), constant_rate=True)
CLIP = MediaInfo(frozenset({"mov", "mp4"}), 10.0, PICTURE, has_sound=True)


def test_a_plain_clip_goes_as_it_is() -> None:
    assert engine_can_take(CLIP)
    assert likely_video_bytes(CLIP, 1000, seconds=1) == 1000


@pytest.mark.parametrize(
    "other",
    [
        replace(CLIP, container=frozenset({"matroska"})),
        replace(CLIP, seconds=None),
        replace(CLIP, picture=None),
        *(
            replace(CLIP, picture=replace(PICTURE, **{name: value}))  # type: ignore[arg-type]
            for name, value in (
                ("codec", "hevc"),
                ("pixel_format", "yuv422p10le"),
                ("width", 159),
                ("height", 1922),
                ("constant_rate", False),
                ("rate", None),
                ("rate", Fraction(24)),
                ("rate", Fraction(120)),
                ("turn", Turn.FLIPPED),
                ("alone", False),
                ("still", True),
                ("pixel_aspect", Fraction(4, 3)),
                ("scan", "tt"),
                ("scan", ""),
                ("matrix", "smpte170m"),
                ("primaries", "bt2020"),
                ("transfer", "smpte2084"),
                ("range", "pc"),
                ("hidden_alpha", True),
                ("starts_late", True),
            )
        ),
    ],
)
def test_every_other_clip_is_converted(other: MediaInfo) -> None:
    assert not engine_can_take(other)
    assert likely_video_bytes(other, 1000, seconds=20) == 2000, "re-encoded, it may double"


def test_only_as_much_of_a_clip_counts_as_is_needed() -> None:
    hevc = replace(CLIP, picture=replace(PICTURE, codec="hevc"))
    assert likely_video_bytes(hevc, 1000, seconds=5) == 1000


def test_a_second_of_sound_has_a_known_size() -> None:
    assert audio_bytes(1.0) == 44 + 32_000


@pytest.mark.parametrize(
    ("width", "height", "aspect", "turn", "size"),
    [
        (1280, 720, "1", Turn.NONE, (1280, 720)),
        (480, 480, "4/3", Turn.NONE, (640, 480)),
        (480, 480, "3/4", Turn.NONE, (480, 640)),
        (720, 576, "16/11", Turn.NONE, (1046, 576)),
        (720, 576, "16/11", Turn.RIGHT, (576, 1046)),
        (1440, 1080, "4/3", Turn.NONE, (1920, 1080)),
        (3840, 2160, "1", Turn.NONE, (1920, 1080)),
        (3840, 2160, "1", Turn.LEFT, (1080, 1920)),
        (4096, 2160, "1", Turn.HALF, (1920, 1012)),
        (159, 119, "1", Turn.NONE, (158, 118)),
        (160, 120, "1000", Turn.NONE, (1920, 2)),
    ],
)
def test_the_size_is_that_of_the_picture_as_it_is_shown(
    width: int, height: int, aspect: str, turn: Turn, size: tuple[int, int]
) -> None:
    assert engine_size(replace(PICTURE, width=width, height=height, pixel_aspect=Fraction(aspect), turn=turn)) == size


@pytest.mark.parametrize(
    ("rate", "constant", "chosen"),
    [
        ("25", True, "25"),
        ("30000/1001", True, "30000/1001"),
        ("60", True, "60"),
        ("24", True, "25"),
        ("8", False, "25"),
        ("8", True, "25"),
        ("25.3", False, "25"),
        ("29.7", False, "30"),
        ("41", False, "50"),
        ("55", False, "60"),
        ("120", True, "60"),
        (None, False, "30"),
    ],
)
def test_the_rate_is_constant_and_never_an_average(rate: str | None, constant: bool, chosen: str) -> None:
    clip = replace(PICTURE, rate=Fraction(rate) if rate else None, constant_rate=constant)
    assert engine_rate(clip) == Fraction(chosen)
