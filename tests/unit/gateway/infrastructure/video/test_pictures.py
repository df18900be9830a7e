"""What ffprobe's words mean."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from gateway.domain.video.media import Picture, Turn
from gateway.infrastructure.video.pictures import are_steady, describe, frame_turn

STREAM = {
    "index": 0,
    "codec_type": "video",
    "codec_name": "h264",
    "pix_fmt": "yuv420p",
    "width": 1280,
    "height": 720,
    "avg_frame_rate": "25/1",
    "r_frame_rate": "25/1",
    "field_order": "progressive",
    "disposition": {"default": 1, "attached_pic": 0},
}
SOUND = {"index": 1, "codec_type": "audio", "codec_name": "aac", "disposition": {}}
COVER = {**STREAM, "codec_name": "mjpeg", "width": 3000, "disposition": {"attached_pic": 1}}
FORMAT = {"format_name": "mov,mp4,m4a,3gp,3g2,mj2", "duration": "10.0"}


def picture(*streams: dict[str, Any], **header: str) -> Picture:
    numbered = [{**stream, "index": at} for at, stream in enumerate(streams)]
    found = describe({"format": {**FORMAT, **header}, "streams": numbered}).picture
    assert found is not None
    return found


def matrix(*rows: tuple[int, int, int]) -> dict[str, str]:
    return {"displaymatrix": "\n" + "".join(f"0000000{at}: {a} {b} {c}\n" for at, (a, b, c) in enumerate(rows))}


def test_a_plain_stream() -> None:
    found = picture(STREAM, SOUND)
    assert found == Picture("h264", "yuv420p", 1280, 720, Fraction(25), constant_rate=True)


@pytest.mark.parametrize(
    ("change", "property_", "value"),
    [
        ({"sample_aspect_ratio": "4:3"}, "pixel_aspect", Fraction(4, 3)),
        ({"sample_aspect_ratio": "0:1"}, "pixel_aspect", Fraction(1)),
        ({"sample_aspect_ratio": "N/A"}, "pixel_aspect", Fraction(1)),
        ({"field_order": "tt"}, "scan", "tt"),
        ({"field_order": "unknown"}, "scan", ""),
        ({"color_space": "bt2020nc"}, "matrix", "bt2020nc"),
        ({"color_transfer": "unknown"}, "transfer", ""),
        ({"pix_fmt": "yuva444p10le"}, "alpha", True),
        ({"tags": {"ALPHA_MODE": "1"}}, "hidden_alpha", True),
        ({"avg_frame_rate": "8/1"}, "constant_rate", False),
        ({"avg_frame_rate": "0/0", "r_frame_rate": "1000/1"}, "rate", None),
        ({"nb_frames": "1"}, "still", True),
        ({"start_time": "0.5"}, "starts_late", True),
        ({"start_time": "0.04"}, "starts_late", False),
    ],
)
def test_each_property(change: dict[str, Any], property_: str, value: object) -> None:
    assert getattr(picture({**STREAM, **change}), property_) == value


@pytest.mark.parametrize(
    ("rows", "turn"),
    [
        ([(65536, 0, 0), (0, 65536, 0)], Turn.NONE),
        ([(0, 65536, 0), (-65536, 0, 0)], Turn.RIGHT),
        ([(0, -65536, 0), (65536, 0, 0)], Turn.LEFT),
        ([(-65536, 0, 0), (0, -65536, 0)], Turn.HALF),
        ([(-65536, 0, 0), (0, 65536, 0)], Turn.MIRRORED),
        ([(65536, 0, 0), (0, -65536, 0)], Turn.FLIPPED),
        ([(0, 65536, 0), (65536, 0, 0)], Turn.DIAGONAL),
        ([(0, -65536, 0), (-65536, 0, 0)], Turn.ANTIDIAGONAL),
        ([(46341, 46341, 0), (-46341, 46341, 0)], Turn.ODD),
        ([(131072, 0, 0), (0, 65536, 0)], Turn.ODD),
        ([], Turn.ODD),
    ],
)
def test_a_display_matrix_says_how_to_turn(rows: list[tuple[int, int, int]], turn: Turn) -> None:
    side_data = [matrix(*rows)]
    assert picture({**STREAM, "side_data_list": side_data}).turn is turn
    assert frame_turn([{"side_data_list": side_data}]) is turn


def test_a_cover_is_no_picture_and_makes_a_clip_one_of_several() -> None:
    found = picture(COVER, STREAM)
    assert (found.index, found.alone) == (1, False)
    assert describe({"format": FORMAT, "streams": [COVER, SOUND]}).picture is None


def test_of_several_pictures_the_one_that_players_show_and_that_moves_counts() -> None:
    hidden, poster = {**STREAM, "disposition": {"default": 0}}, {**STREAM, "nb_frames": "1"}
    assert picture(hidden, STREAM).index == 1
    assert picture(poster, hidden).index == 1
    assert picture(STREAM, STREAM).index == 0


def test_a_still_is_known_by_its_container_or_its_length() -> None:
    assert picture(STREAM, format_name="png_pipe", duration="N/A").still
    assert picture(STREAM, format_name="gif", duration="0.1").still
    assert not picture(STREAM, format_name="gif", duration="1.0").still


@pytest.mark.parametrize(
    ("packets", "steady"),
    [
        (["512,K__", "512,___", "512,___"], True),
        (["512,K__", "512,___", "3,___"], True),
        (["20,K__", "21,___", "20,___", "20,___"], True),
        (["1,K__", "2,___", "1,___", "1,___"], False),
        (["512,K__", "1024,___", "512,___"], False),
        (["512,KD_", "512,___", "512,___"], False),
        (["N/A,K__", "N/A,___"], False),
        (["512,K__"], True),
        ([], False),
    ],
)
def test_frames_are_steady(packets: list[str], steady: bool) -> None:
    assert are_steady(packets) is steady
