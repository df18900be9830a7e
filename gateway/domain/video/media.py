"""The content of a media file, which files the engine accepts unchanged, and the size of converted ones."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

SAMPLE_RATE = 16_000
WAV_HEADER_BYTES = 44
MAX_SIDE = 1920  # of what an engine gets: more costs it minutes and memory, and the face no sharpness
MIN_RATE, MAX_RATE = Fraction(25), Fraction(60)
VARIABLE_RATES = (Fraction(25), Fraction(30), Fraction(50), Fraction(60))
UNKNOWN_RATE = Fraction(30)
RATE_TOLERANCE = Fraction(2, 100)  # of what is variable
RATE_SLACK = Fraction(1, 1000)  # of what is constant
STILL_SECONDS = 2.0  # of video made from a still picture, or from next to nothing; engines repeat it
SD_HEIGHT = 576  # up to here an unlabelled picture is in BT.601's colours, above in BT.709's
REENCODED_GROWTH = 2  # H.264 of this quality against HEVC

GOOD_SCANS = frozenset({"progressive"})
GOOD_MATRICES = frozenset({"", "bt709"})
GOOD_PRIMARIES = frozenset({"", "bt709"})
GOOD_TRANSFERS = frozenset({"", "bt709", "smpte170m", "iec61966-2-1"})
GOOD_RANGES = frozenset({"", "tv"})
HDR_TRANSFERS = frozenset({"smpte2084", "arib-std-b67"})
WIDE_PRIMARIES = frozenset({"bt2020", "smpte431", "smpte432"})
WIDE_MATRICES = frozenset({"bt2020nc", "bt2020c", "ictcp"})


class NotMediaError(Exception):
    """ffprobe finds no permitted media in the file.

    Args:
        said: the end of its output.
        kind: the usual name of what the file is, where that is known.
        incomplete: it begins as a film does, but its index is missing.
    """

    def __init__(self, said: str = "", *, kind: str = "", incomplete: bool = False) -> None:
        super().__init__(said)
        self.kind = kind
        self.incomplete = incomplete


class OutOfSpaceError(Exception):
    """ffmpeg's output exceeds its limit or the disk's space; `written` bytes were written."""

    def __init__(self, written: int) -> None:
        super().__init__(f"after {written} bytes")
        self.written = written


class ConversionError(Exception):
    """ffmpeg failed or took too long; the text is the end of its output."""


class ToolKilledError(Exception):
    """The system ended ffmpeg or ffprobe again and again, as where memory runs out; that says nothing of the file."""


class Turn(StrEnum):
    """How a player has to turn or mirror a picture."""

    NONE = "none"
    RIGHT = "right"
    LEFT = "left"
    HALF = "half"
    MIRRORED = "mirrored"
    FLIPPED = "flipped"
    DIAGONAL = "diagonal"
    ANTIDIAGONAL = "antidiagonal"
    ODD = "odd"  # by another angle

    @property
    def swaps_sides(self) -> bool:
        """Whether width and height change places."""
        return self in (Turn.RIGHT, Turn.LEFT, Turn.DIAGONAL, Turn.ANTIDIAGONAL)


@dataclass(frozen=True)
class Picture:
    """The picture stream that counts; sizes in pixels, rate in frames per second. Names are ffmpeg's.

    Attributes:
        rate: average frame rate; None where unknown.
        constant_rate: every frame is shown equally long, by the header.
        turn: what the metadata tells players to do with the picture.
        index: of the stream in the file.
        alone: there is no other picture in the file, and no cover.
        still: a single picture.
        pixel_aspect: width of a pixel in its heights.
        scan: order of the fields, or ``progressive``; empty where unknown.
        matrix, primaries, transfer, range: of the colours; empty where not stated.
        alpha: there is a transparency.
        hidden_alpha: it is in a second layer, which only one decoder reads.
        starts_late: its first frame comes after the file's beginning.
        turned_by_us: not all versions of ffmpeg turn it by themselves, as only its frame says how.
    """

    codec: str
    pixel_format: str
    width: int
    height: int
    rate: Fraction | None
    constant_rate: bool
    turn: Turn = Turn.NONE
    index: int = 0
    alone: bool = True
    still: bool = False
    pixel_aspect: Fraction = Fraction(1)
    scan: str = "progressive"
    matrix: str = ""
    primaries: str = ""
    transfer: str = ""
    range: str = ""
    alpha: bool = False
    hidden_alpha: bool = False
    starts_late: bool = False
    turned_by_us: bool = False

    @property
    def reads_hidden_alpha(self) -> bool:
        """Whether its transparency can be read, by a decoder of its own."""
        return self.hidden_alpha and self.codec in ("vp8", "vp9")

    @property
    def is_hdr(self) -> bool:
        """Brighter than a common screen shows."""
        return self.transfer in HDR_TRANSFERS

    @property
    def is_wide(self) -> bool:
        """In colours that BT.709 does not have."""
        return self.is_hdr or self.primaries in WIDE_PRIMARIES or self.matrix in WIDE_MATRICES

    @property
    def has_common_colours(self) -> bool:
        """In BT.709, as far as it says anything, with 8 bits of limited range and without transparency."""
        return (
            self.pixel_format == "yuv420p"
            and self.matrix in GOOD_MATRICES
            and self.primaries in GOOD_PRIMARIES
            and self.transfer in GOOD_TRANSFERS
            and self.range in GOOD_RANGES
            and not (self.alpha or self.hidden_alpha)
        )

    @property
    def has_common_shape(self) -> bool:
        """Upright, of square pixels and a size that engines take."""
        return (
            self.turn is Turn.NONE
            and self.pixel_aspect == 1
            and max(self.width, self.height) <= MAX_SIDE
            and self.width % 2 == self.height % 2 == 0
        )

    @property
    def has_common_frames(self) -> bool:
        """Whole frames, all equally long, neither too few nor too many, from the beginning on."""
        rate = self.rate or Fraction(0)
        return (
            self.scan in GOOD_SCANS
            and self.constant_rate
            and MIN_RATE * (1 - RATE_SLACK) <= rate <= MAX_RATE * (1 + RATE_SLACK)
            and not (self.still or self.starts_late)
        )


@dataclass(frozen=True)
class MediaInfo:
    """The content of a file; `seconds` is None if the header does not state it."""

    container: frozenset[str]
    seconds: float | None
    picture: Picture | None
    has_sound: bool


def engine_can_take(info: MediaInfo) -> bool:
    """Whether every property of this clip is one that engines are known to take; everything else is converted."""
    picture = info.picture
    return bool(
        picture
        and "mp4" in info.container
        and info.seconds
        and picture.codec == "h264"
        and picture.alone
        and picture.has_common_colours
        and picture.has_common_shape
        and picture.has_common_frames
    )


def engine_size(picture: Picture) -> tuple[int, int]:
    """Width and height of a picture for the engine: upright, square pixels, even, at most ``MAX_SIDE``."""
    aspect = picture.pixel_aspect
    width = picture.width * max(aspect, Fraction(1))
    height = picture.height / min(aspect, Fraction(1))
    if picture.turn.swaps_sides:
        width, height = height, width
    shrink = min(Fraction(1), MAX_SIDE / max(width, height))
    return _even(width * shrink), _even(height * shrink)


def _even(length: Fraction) -> int:
    return max(2, math.floor(length / 2) * 2)


def engine_rate(picture: Picture) -> Fraction:
    """Frames per second for the engine: the clip's own where that is constant and fit, else the next fit one above."""
    rate = picture.rate or UNKNOWN_RATE
    if picture.constant_rate and MIN_RATE <= rate <= MAX_RATE:
        return rate.limit_denominator(1001)
    return next((steady for steady in VARIABLE_RATES if rate <= steady * (1 + RATE_TOLERANCE)), MAX_RATE)


def audio_bytes(seconds: float) -> int:
    """Size of that much sound in the engine's format."""
    return WAV_HEADER_BYTES + math.ceil(seconds * SAMPLE_RATE * 2)


def likely_video_bytes(info: MediaInfo, size: int, *, seconds: float) -> int:
    """The approximate size of that much of a clip in the engine's format; re-encoded clips may be larger or smaller.

    Args:
        size: bytes of the original clip.
    """
    if engine_can_take(info):
        return size
    needed = min(1.0, seconds / info.seconds) if info.seconds else 1.0
    return math.ceil(REENCODED_GROWTH * size * needed)
