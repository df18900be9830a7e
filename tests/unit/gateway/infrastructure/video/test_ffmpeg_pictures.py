"""Pictures as people have them become pictures as engines take them: each kind with a real file."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from gateway.domain.video.media import MAX_SIDE, engine_can_take
from gateway.infrastructure.sandbox import Sandbox
from gateway.infrastructure.video.ffmpeg import Ffmpeg
from tests.support.video import facts, ffmpeg

Pixels = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]

H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
# Four quarters: red, green / blue, grey.
QUARTERS = (
    "color=red:s=320x240:r=25:d=1,drawbox=x=160:y=0:w=160:h=120:color=green:t=fill,"
    "drawbox=x=0:y=120:w=160:h=120:color=blue:t=fill,drawbox=x=160:y=120:w=160:h=120:color=gray:t=fill"
)
MOVING = "testsrc=s=320x240:r=25:d=1"


@dataclass(frozen=True)
class Case:
    """One kind of file: how it is made, and the size and rate of what comes of it."""

    name: str
    source: str
    options: tuple[str, ...]
    size: tuple[int, int] = (320, 240)
    rate: int = 25


def bsf(value: str) -> tuple[str, ...]:
    return (*H264, "-bsf:v", f"h264_metadata={value}")


CASES = [
    Case("wide_pixels.mp4", MOVING, (*H264, "-vf", "setsar=4/3"), (426, 240)),
    Case("narrow_pixels.mkv", MOVING, ("-vf", "scale=480:480,setsar=3/4", "-c:v", "ffv1"), (480, 640)),
    Case(
        "square_of_4_3.mpg", MOVING, ("-vf", "scale=480:480,setsar=4/3", "-c:v", "mpeg2video", "-q:v", "3"), (640, 480)
    ),
    Case("interlaced.mp4", "testsrc=s=320x240:r=50:d=1", (*H264, "-vf", "interlace", "-x264-params", "tff=1")),
    Case("dv.avi", "testsrc=s=720x576:r=25:d=1", ("-c:v", "dvvideo", "-pix_fmt", "yuv420p"), (720, 576)),
    Case("bt601.mp4", MOVING, bsf("colour_primaries=5:transfer_characteristics=6:matrix_coefficients=5")),
    Case("full_range.mp4", MOVING, (*H264[:-1], "yuvj420p", "-color_range", "pc")),
    Case("ten_bit.mkv", MOVING, ("-c:v", "libx265", "-x265-params", "log-level=error", "-pix_fmt", "yuv420p10le")),
    Case("four_four_four.mp4", MOVING, (*H264[:-1], "yuv444p")),
    Case("rgb.mkv", MOVING, ("-c:v", "libx264rgb", "-preset", "ultrafast")),
    Case("grey.mkv", MOVING, ("-c:v", "ffv1", "-pix_fmt", "gray")),
    Case("odd.mkv", MOVING, ("-vf", "crop=159:119", "-c:v", "ffv1"), (158, 118)),
    Case("four_k.mp4", "testsrc=s=3840x2160:r=25:d=0.2", H264, (MAX_SIDE, 1080)),
    Case("tall_four_k.mp4", "testsrc=s=2160x3840:r=25:d=0.2", H264, (1080, MAX_SIDE)),
    Case("hevc.mp4", MOVING, ("-c:v", "libx265", "-x265-params", "log-level=error")),
    Case("vp8.webm", MOVING, ("-c:v", "libvpx", "-deadline", "realtime")),
    Case("vp9.webm", MOVING, ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8")),
    Case("av1.webm", MOVING, ("-c:v", "libsvtav1", "-preset", "12")),
    Case("mjpeg.avi", MOVING, ("-c:v", "mjpeg")),
    Case("prores.mov", MOVING, ("-c:v", "prores_ks", "-profile:v", "0")),
    Case("moving.gif", "testsrc=s=320x240:r=10:d=1", ()),
    Case("film.mp4", "testsrc=s=320x240:r=24:d=1", H264),
    Case("slow.mp4", "testsrc=s=320x240:r=8:d=1", H264),
    Case("fast.mp4", "testsrc=s=320x240:r=120:d=1", H264, rate=60),
    Case("pauses.mp4", MOVING, (*H264, "-vf", "setpts='if(gt(N,12),N*3,N)/25/TB'", "-vsync", "vfr")),
    Case(
        "screen.mkv", "testsrc=s=320x240:r=60:d=2", (*H264, "-vf", "select='not(mod(n,9))'", "-vsync", "vfr"), rate=60
    ),
    Case("still.png", "testsrc=s=320x240:r=1:d=1", ("-frames:v", "1")),
    Case("still.jpg", "testsrc=s=320x240:r=1:d=1", ("-frames:v", "1")),
    Case("still.webp", "testsrc=s=320x240:r=1:d=1", ("-frames:v", "1")),
]


@pytest.fixture
def tools() -> Ffmpeg:
    return Ffmpeg(conversions=Sandbox(1), probes=Sandbox(1))


def without_ending(path: Path) -> Path:
    """As the media folder keeps it."""
    return path.rename(path.with_name("uploaded_video"))


async def converted(tools: Ffmpeg, source: Path, target: Path) -> Path:
    """What the engine gets for a file that it does not take, by whatever name that is kept."""
    source = without_ending(source)
    info = await tools.probe(source)
    assert info.picture is not None
    takes = engine_can_take(info) and await tools.has_steady_frames(source, info.picture)
    assert not takes, info
    await tools.to_engine_video(source, target, info=info, seconds=30, file_bytes=10**9, limit_seconds=60)
    return target


async def require_fit(tools: Ffmpeg, path: Path) -> dict[str, object]:
    """The file is what all engines take, by another look at it than the gateway's own, and by that too."""
    (stream,) = facts(path)["streams"]
    assert (stream["codec_name"], stream["pix_fmt"], stream["field_order"]) == ("h264", "yuv420p", "progressive")
    assert stream["sample_aspect_ratio"] == "1:1"
    assert [stream[f"color_{of}"] for of in ("space", "primaries", "transfer", "range")] == [*["bt709"] * 3, "tv"]
    assert "side_data_list" not in stream
    assert stream["avg_frame_rate"] == stream["r_frame_rate"]
    assert 25 <= Fraction(stream["avg_frame_rate"]) <= 60
    info = await tools.probe(path)
    assert info.picture is not None
    assert engine_can_take(info)
    assert await tools.has_steady_frames(path, info.picture)
    return dict(stream)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_every_kind_becomes_fit(tmp_path: Path, tools: Ffmpeg, case: Case) -> None:
    source = tmp_path / case.name
    ffmpeg("-f", "lavfi", "-i", case.source, *case.options, source)
    stream = await require_fit(tools, await converted(tools, source, tmp_path / "out.mp4"))
    assert (stream["width"], stream["height"]) == case.size
    assert stream["avg_frame_rate"] == f"{case.rate}/1"


GOOD = {
    "plain.mp4": H264,
    "labelled.mp4": bsf("colour_primaries=1:transfer_characteristics=1:matrix_coefficients=1"),
    "smooth.mp4": (*H264, "-r", "60"),
    "american.mp4": (*H264, "-r", "30000/1001"),
    "with_b_frames.mov": (*H264[:-2], "-pix_fmt", "yuv420p", "-bf", "3"),
}


@pytest.mark.parametrize("name", GOOD)
async def test_what_is_known_to_be_good_goes_unchanged(tmp_path: Path, tools: Ffmpeg, name: str) -> None:
    ffmpeg("-f", "lavfi", "-i", MOVING, *GOOD[name], tmp_path / name)
    info = await tools.probe(tmp_path / name)
    assert info.picture is not None
    assert engine_can_take(info)
    assert await tools.has_steady_frames(tmp_path / name, info.picture)


def first_picture(path: Path) -> Pixels:
    """Decoded by BT.709, as the label says."""
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-frames:v", "1", "-vf", "scale=in_color_matrix=bt709"]
    raw = subprocess.run([*command, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], check=True, capture_output=True).stdout
    stream = facts(path, stream="v:0")["streams"][0]
    return np.frombuffer(raw, np.uint8).reshape(stream["height"], stream["width"], 3)


def corners(path: Path) -> list[str]:
    """The colours of the four quarters, row by row."""
    known = {"red": (254, 0, 0), "green": (0, 128, 0), "blue": (0, 0, 254), "gray": (128, 128, 128)}
    image = first_picture(path).astype(int)
    height, width, _ = image.shape
    seen = [image[height * y // 4, width * x // 4] for y in (1, 3) for x in (1, 3)]
    nearest = [min(known, key=lambda name: abs(np.array(known[name]) - pixel).sum()) for pixel in seen]
    for name, pixel in zip(nearest, seen, strict=True):
        assert abs(np.array(known[name]) - pixel).max() < 25, (name, pixel)
    return nearest


COLOURS = ["red", "green", "blue", "gray"]
MATRICES = {
    "right": ("0:65536:0:-65536:0:0:0:0:1073741824", ["blue", "red", "gray", "green"]),
    "left": ("0:-65536:0:65536:0:0:0:0:1073741824", ["green", "gray", "red", "blue"]),
    "half": ("-65536:0:0:0:-65536:0:0:0:1073741824", ["gray", "blue", "green", "red"]),
    "mirrored": ("-65536:0:0:0:65536:0:0:0:1073741824", ["green", "red", "gray", "blue"]),
    "flipped": ("65536:0:0:0:-65536:0:0:0:1073741824", ["blue", "gray", "red", "green"]),
    "diagonal": ("0:65536:0:65536:0:0:0:0:1073741824", ["red", "blue", "green", "gray"]),
    "antidiagonal": ("0:-65536:0:-65536:0:0:0:0:1073741824", ["gray", "green", "blue", "red"]),
}


def with_matrix(plain: Path, turned: Path, numbers: str) -> None:
    """Write a display matrix into the track header of an MP4 file."""
    content = bytearray(plain.read_bytes())
    unity = b"".join(number.to_bytes(4, "big", signed=True) for number in (65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30))
    at = content.index(unity, content.index(b"tkhd"))
    content[at : at + 36] = b"".join(int(number).to_bytes(4, "big", signed=True) for number in numbers.split(":"))
    turned.write_bytes(content)


@pytest.mark.parametrize("turn", MATRICES)
async def test_it_is_upright_whatever_the_camera_did(tmp_path: Path, tools: Ffmpeg, turn: str) -> None:
    numbers, expected = MATRICES[turn]
    ffmpeg("-f", "lavfi", "-i", QUARTERS, *H264, tmp_path / "plain.mp4")
    with_matrix(tmp_path / "plain.mp4", tmp_path / "turned.mp4", numbers)
    out = await converted(tools, tmp_path / "turned.mp4", tmp_path / "out.mp4")
    await require_fit(tools, out)
    assert corners(out) == expected


SAME_COLOURS = {
    "bt601.mp4": (
        *("-vf", "scale=out_color_matrix=bt601:out_range=tv", *H264),
        *("-bsf:v", "h264_metadata=colour_primaries=6:transfer_characteristics=6:matrix_coefficients=6"),
    ),
    "full_range.mp4": (
        *("-vf", "scale=out_color_matrix=bt709:out_range=pc,format=yuvj420p", *H264[:-2]),
        *("-bsf:v", "h264_metadata=video_full_range_flag=1:matrix_coefficients=1"),
    ),
    "rgb.mkv": ("-c:v", "libx264rgb", "-preset", "ultrafast"),
    "palette.gif": (),
    "lossless.png": ("-frames:v", "1"),
    "bt2020.mkv": (
        *("-vf", "format=gbrp,zscale=tin=709:pin=709:min=gbr:p=2020:m=2020_ncl:t=2020_10,format=yuv420p10le"),
        *("-c:v", "libx265", "-x265-params", "log-level=error:colorprim=9:transfer=14:colormatrix=9"),
    ),
}


@pytest.mark.parametrize("name", SAME_COLOURS)
async def test_colours_stay_what_they_are(tmp_path: Path, tools: Ffmpeg, name: str) -> None:
    ffmpeg("-f", "lavfi", "-i", QUARTERS, *SAME_COLOURS[name], tmp_path / name)
    assert corners(await converted(tools, tmp_path / name, tmp_path / "out.mp4")) == COLOURS


@pytest.mark.parametrize(("transfer", "number"), [("smpte2084", 16), ("arib-std-b67", 18)])
async def test_hdr_keeps_its_contrast_and_its_colours(
    tmp_path: Path, tools: Ffmpeg, transfer: str, number: int
) -> None:
    to_hdr = (
        "format=gbrp,zscale=tin=709:pin=709:min=gbr:rin=full:p=2020:t=linear:m=gbr:npl=203,format=gbrpf32le,"
        f"zscale=t={transfer}:m=2020_ncl:r=limited:npl=203,format=yuv420p10le"
    )
    tags = f"log-level=error:colorprim=9:transfer={number}:colormatrix=9"
    source = QUARTERS.replace("color=gray", "color=white")
    ffmpeg("-f", "lavfi", "-i", source, "-vf", to_hdr, "-c:v", "libx265", "-x265-params", tags, tmp_path / "hdr.mkv")
    out = await converted(tools, tmp_path / "hdr.mkv", tmp_path / "out.mp4")
    await require_fit(tools, out)
    image = first_picture(out).astype(int)
    red, green, blue, white = (image[y, x] for y in (60, 180) for x in (80, 240))
    assert red[0] > 170
    assert red[1:].max() < 90
    assert green.argmax() == 1
    assert blue.argmax() == 2
    assert blue[:2].max() < blue[2] - 100
    assert white.min() > 190
    assert np.ptp(white) < 12


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("alpha.mov", ("-c:v", "qtrle", "-pix_fmt", "argb")),
        ("alpha.webm", ("-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p", "-deadline", "realtime", "-cpu-used", "8")),
        ("alpha.png", ("-frames:v", "1")),
        ("alpha444.mov", ("-c:v", "prores_ks", "-profile:v", "4444", "-pix_fmt", "yuva444p10le")),
    ],
)
async def test_transparency_becomes_white(tmp_path: Path, tools: Ffmpeg, name: str, options: tuple[str, ...]) -> None:
    half = "format=rgba,geq=r=200:g=20:b=20:a='if(lt(X,W/2),0,255)'"
    ffmpeg("-f", "lavfi", "-i", "color=black:s=320x240:r=25:d=0.4", "-vf", half, *options, tmp_path / name)
    out = await converted(tools, tmp_path / name, tmp_path / "out.mp4")
    await require_fit(tools, out)
    image = first_picture(out).astype(int)
    assert image[120, 60].min() > 240
    assert abs(image[120, 260] - (200, 20, 20)).max() < 30


async def test_interlaced_frames_show_no_combs(tmp_path: Path, tools: Ffmpeg) -> None:
    moving = "nullsrc=s=640x480:r=50:d=1,geq=lum='if(between(X,mod(N*12,560),mod(N*12,560)+60),235,16)':cb=128:cr=128"
    options = ("-vf", "interlace=lowpass=0", *H264, "-x264-params", "tff=1")
    ffmpeg("-f", "lavfi", "-i", moving, *options, tmp_path / "fields.mp4")
    out = await converted(tools, tmp_path / "fields.mp4", tmp_path / "out.mp4")
    ffmpeg("-i", out, "-pix_fmt", "gray", "-f", "rawvideo", tmp_path / "raw")
    frames = np.frombuffer((tmp_path / "raw").read_bytes(), np.uint8).reshape(-1, 480, 640).astype(int)
    # A comb: a line differs from both of its neighbours, which are alike.
    above, line, below = frames[5:, :-2], frames[5:, 1:-1], frames[5:, 2:]
    combs = (abs(line - above) > 60) & (abs(line - below) > 60) & (abs(above - below) < 30)
    assert combs.mean() < 0.001


async def test_pauses_stay_as_long_as_they_are(tmp_path: Path, tools: Ffmpeg) -> None:
    slow = ("-vf", "setpts='if(lt(N,10),N,N+40)/25/TB'", "-vsync", "vfr")
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=320x240:r=25:d=2", *slow, *H264, tmp_path / "pause.mkv")
    out = await converted(tools, tmp_path / "pause.mkv", tmp_path / "out.mp4")
    stream = await require_fit(tools, out)
    assert abs(float(str(stream["duration"])) - 3.6) < 0.15


async def test_what_an_edit_list_cuts_off_stays_off(tmp_path: Path, tools: Ffmpeg) -> None:
    red_then_blue = (
        "-f",
        "lavfi",
        "-i",
        "color=red:s=320x240:r=25:d=1",
        "-f",
        "lavfi",
        "-i",
        "color=blue:s=320x240:r=25:d=1",
    )
    joined = ("-filter_complex", "[0][1]concat", "-g", "250", "-sc_threshold", "0")
    ffmpeg(*red_then_blue, *joined, *H264, tmp_path / "whole.mp4")
    ffmpeg("-ss", "1.2", "-i", tmp_path / "whole.mp4", "-c", "copy", tmp_path / "cut.mp4")
    out = await converted(tools, tmp_path / "cut.mp4", tmp_path / "out.mp4")
    stream = await require_fit(tools, out)
    red, _, blue = first_picture(out)[120, 160].astype(int)
    assert blue > red + 100
    assert float(str(stream["duration"])) < 1.1


async def test_a_picture_that_comes_late_begins_at_once(tmp_path: Path, tools: Ffmpeg) -> None:
    ffmpeg("-f", "lavfi", "-i", MOVING, *H264, tmp_path / "plain.mp4")
    ffmpeg("-f", "lavfi", "-i", "sine=d=2", tmp_path / "sound.wav")
    late = ("-i", tmp_path / "sound.wav", "-itsoffset", "0.7", "-i", tmp_path / "plain.mp4")
    ffmpeg(*late, "-c:v", "copy", "-c:a", "aac", tmp_path / "late.mp4")
    stream = await require_fit(tools, await converted(tools, tmp_path / "late.mp4", tmp_path / "out.mp4"))
    assert float(str(stream["start_time"])) < 0.01


async def test_the_clip_counts_and_not_its_cover(tmp_path: Path, tools: Ffmpeg) -> None:
    ffmpeg("-f", "lavfi", "-i", "color=white:s=1000x1000", "-frames:v", "1", tmp_path / "cover.png")
    ffmpeg("-f", "lavfi", "-i", QUARTERS, *H264, tmp_path / "plain.mp4")
    both = ("-i", tmp_path / "cover.png", "-i", tmp_path / "plain.mp4", "-map", "0", "-map", "1", "-c", "copy")
    ffmpeg(*both, "-disposition:v:0", "attached_pic", tmp_path / "covered.mp4")
    out = await converted(tools, tmp_path / "covered.mp4", tmp_path / "out.mp4")
    await require_fit(tools, out)
    assert corners(out) == COLOURS


async def test_of_two_pictures_the_one_that_players_show_counts(tmp_path: Path, tools: Ffmpeg) -> None:
    ffmpeg("-f", "lavfi", "-i", "color=white:s=640x480:d=1", *H264, tmp_path / "other.mp4")
    ffmpeg("-f", "lavfi", "-i", QUARTERS, *H264, tmp_path / "plain.mp4")
    both = ("-i", tmp_path / "other.mp4", "-i", tmp_path / "plain.mp4", "-map", "0", "-map", "1", "-c", "copy")
    ffmpeg(*both, "-disposition:v:0", "0", "-disposition:v:1", "default", tmp_path / "two.mkv")
    out = await converted(tools, tmp_path / "two.mkv", tmp_path / "out.mp4")
    await require_fit(tools, out)
    assert corners(out) == COLOURS
