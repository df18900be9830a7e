"""What ffprobe says of a file, as properties of a picture."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from gateway.domain.video.media import MediaInfo, Picture, Turn
from gateway.infrastructure.sound import stated_seconds

# Above this difference between the two rates that ffprobe reports, the frame rate is not constant.
FRAME_RATE_TOLERANCE = Fraction(2, 100)
STILL_BELOW_SECONDS = 0.2
LATE_SECONDS = 0.1
MAX_SANE_RATE = 120  # more is the clock of a container that states no rate
UNSTATED = frozenset({"unknown", "unspecified", "reserved", "N/A"})
ALPHA_FORMATS = re.compile(r"(yuva|rgba|bgra|argb|abgr|gbrap|ayuv|vuya|ya8|ya16|pal8)")
FINE_TICKS = 10
# These have no interlaced form, and so say nothing of it.
PROGRESSIVE_CODECS = frozenset({"vp8", "vp9", "av1", "gif", "png", "apng", "webp", "bmp", "qtrle", "theora"})
_WHOLE = 65536
_SIGNS = {
    (1, 0, 0, 1): Turn.NONE,
    (0, 1, -1, 0): Turn.RIGHT,
    (0, -1, 1, 0): Turn.LEFT,
    (-1, 0, 0, -1): Turn.HALF,
    (-1, 0, 0, 1): Turn.MIRRORED,
    (1, 0, 0, -1): Turn.FLIPPED,
    (0, 1, 1, 0): Turn.DIAGONAL,
    (0, -1, -1, 0): Turn.ANTIDIAGONAL,
}


def describe(found: Mapping[str, Any]) -> MediaInfo:
    """The content of a file, from ffprobe's `-show_format -show_streams`."""
    header, streams = found.get("format", {}), found["streams"]
    container = frozenset(str(header.get("format_name", "")).split(","))
    pictures = [stream for stream in streams if stream.get("codec_type") == "video"]
    usable = [s for s in pictures if s.get("width") and s.get("height") and not _disposed(s, "attached_pic")]
    # The first that players show by themselves, and rather one that moves.
    chosen = min(usable, key=lambda s: (_has_one_frame(s), not _disposed(s, "default")), default=None)
    return MediaInfo(
        container=container,
        seconds=stated_seconds(header.get("duration")),
        picture=_picture(chosen, header, alone=len(pictures) == 1) if chosen else None,
        has_sound=any(s.get("codec_type") == "audio" and s.get("codec_name") for s in streams),
    )


def _disposed(stream: Mapping[str, Any], kind: str) -> bool:
    return bool(stream.get("disposition", {}).get(kind))


def _has_one_frame(stream: Mapping[str, Any]) -> bool:
    return str(stream.get("nb_frames")) == "1"


def _rate(text: object) -> Fraction | None:
    try:
        value = Fraction(str(text).replace(":", "/"))
    except (ValueError, ZeroDivisionError):
        return None
    return value if value > 0 else None


def _stated(stream: Mapping[str, Any], name: str) -> str:
    value = str(stream.get(name, ""))
    return "" if value in UNSTATED else value


def _picture(stream: Mapping[str, Any], header: Mapping[str, Any], *, alone: bool) -> Picture:
    average, base = _rate(stream.get("avg_frame_rate")), _rate(stream.get("r_frame_rate"))
    constant = bool(average and base and abs(average - base) <= base * FRAME_RATE_TOLERANCE)
    seconds, pixels = stated_seconds(header.get("duration")), str(stream.get("pix_fmt", ""))
    brief = seconds is not None and seconds < STILL_BELOW_SECONDS
    kind = str(header.get("format_name", ""))
    tags = {name.lower(): value for name, value in stream.get("tags", {}).items()}
    return Picture(
        codec=str(stream.get("codec_name", "")),
        pixel_format=pixels,
        width=int(stream["width"]),
        height=int(stream["height"]),
        rate=average or (base if base and base <= MAX_SANE_RATE else None),
        constant_rate=constant,
        turn=_turn(stream.get("side_data_list", [])),
        index=int(stream.get("index", 0)),
        alone=alone,
        still=_has_one_frame(stream) or brief or kind.endswith("_pipe"),
        pixel_aspect=_rate(stream.get("sample_aspect_ratio")) or Fraction(1),
        scan="progressive" if stream.get("codec_name") in PROGRESSIVE_CODECS else _stated(stream, "field_order"),
        matrix=_stated(stream, "color_space"),
        primaries=_stated(stream, "color_primaries"),
        transfer=_stated(stream, "color_transfer"),
        range=_stated(stream, "color_range"),
        alpha=ALPHA_FORMATS.match(pixels) is not None,
        hidden_alpha=tags.get("alpha_mode") == "1",
        starts_late=(stated_seconds(stream.get("start_time")) or 0.0) > LATE_SECONDS,
    )


def _turn(side_data: Sequence[Mapping[str, Any]]) -> Turn:
    """From the display matrix of a stream or a frame: nine numbers in three numbered lines."""
    for data in side_data:
        if data.get("displaymatrix"):
            rows = [line.partition(":")[2].split() for line in str(data["displaymatrix"]).splitlines() if ":" in line]
            return _turn_of([int(number) for row in rows for number in row])
    return Turn.NONE


def _turn_of(matrix: Sequence[int]) -> Turn:
    """By the four numbers that turn and mirror; they are shares of 65536."""
    if len(matrix) < 5:
        return Turn.ODD
    shares = [number / _WHOLE for number in (*matrix[0:2], *matrix[3:5])]
    if any(abs(share - round(share)) > 0.01 for share in shares):
        return Turn.ODD
    first, second, third, fourth = map(round, shares)
    return _SIGNS.get((first, second, third, fourth), Turn.ODD)


def frame_turn(frames: Sequence[Mapping[str, Any]]) -> Turn:
    """How the first frame wants to be turned: pictures of cameras say it there (EXIF)."""
    return _turn(frames[0].get("side_data_list", [])) if frames else Turn.NONE


def are_steady(packets: Sequence[str]) -> bool:
    """Whether all packets, given as `duration,flags`, last equally long, and none is to be thrown away.

    A clock whose ticks do not fit the rate counts one more now and then; the last length is often a guess.
    """
    lengths, discarded = set(), False
    for packet in packets[:-1]:
        length, _, flags = packet.partition(",")
        discarded |= "D" in flags
        lengths.add(int(length) if length.isdecimal() else 0)
    if discarded or not lengths or min(lengths) <= 0:
        return len(packets) == 1
    return max(lengths) - min(lengths) <= (1 if min(lengths) >= FINE_TICKS else 0)
