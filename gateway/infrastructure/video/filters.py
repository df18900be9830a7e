"""ffmpeg's filters that make any picture one that engines take; only those that it needs."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.domain.video.media import (
    MAX_RATE,
    SD_HEIGHT,
    STILL_SECONDS,
    WIDE_MATRICES,
    Picture,
    Turn,
    engine_rate,
    engine_size,
)

TOP_FIRST, BOTTOM_FIRST = frozenset({"tt", "bt"}), frozenset({"bb", "tb"})
_TURNS = {
    Turn.RIGHT: "transpose=clock",
    Turn.LEFT: "transpose=cclock",
    Turn.HALF: "hflip,vflip",
    Turn.MIRRORED: "hflip",
    Turn.FLIPPED: "vflip",
    Turn.DIAGONAL: "transpose=cclock_flip",
    Turn.ANTIDIAGONAL: "transpose=clock_flip",
}
# What a film's white is in nits, by the standard that describes the mapping (BT.2408).
WHITE_NITS = 203
_OLD_MATRICES = frozenset({"bt470bg", "smpte170m", "fcc"})


def picture_filters(picture: Picture) -> str:
    """The value of `-vf`, of one picture."""
    return ",".join(_filters(picture))


def _filters(picture: Picture) -> Iterator[str]:
    width, height = engine_size(picture)
    rate = engine_rate(picture)
    if not picture.still:  # behind `setpts`, `tpad` does not know the rate
        yield "setpts=PTS-STARTPTS"
    if picture.scan != "progressive":
        yield _deinterlace(picture.scan)
    faster = picture.rate is not None and picture.rate > MAX_RATE
    if faster:  # before the work
        yield f"fps={rate}"
    if picture.turned_by_us and picture.turn in _TURNS:
        yield "sidedata=mode=delete:type=DISPLAYMATRIX"
        yield _TURNS[picture.turn]
    if _is_flattened(picture):
        yield _on_white()
    yield f"scale={width}:{height}:flags=bicubic" + ("" if picture.is_wide else _common_colours(picture))
    if picture.is_wide:
        yield from _from_wide(picture)
    if picture.still:  # a single frame has no length, of which fps could make frames
        yield f"tpad=stop_mode=clone:stop_duration={STILL_SECONDS}"
    if not faster:
        yield f"fps={rate}"
    yield "setsar=1"
    yield "format=yuv420p"


def _deinterlace(scan: str) -> str:
    """Where the file says that it is interlaced, all frames are; else those that say so themselves."""
    if scan in TOP_FIRST:
        return "bwdif=mode=send_frame:parity=tff:deint=all"
    if scan in BOTTOM_FIRST:
        return "bwdif=mode=send_frame:parity=bff:deint=all"
    return "bwdif=mode=send_frame:parity=auto:deint=interlaced"


def _is_flattened(picture: Picture) -> bool:
    """Whether it is put on white, which makes it RGB."""
    return picture.alpha or picture.reads_hidden_alpha


def _on_white() -> str:
    """What is transparent becomes white; ffmpeg 5.1 crashes where `drawbox` fills such a picture."""
    white = "lutrgb=r=maxval:g=maxval:b=maxval:a=maxval"
    return f"format=rgba,split[below][above];[below]{white}[background];[background][above]overlay=format=rgb"


def _common_colours(picture: Picture) -> str:
    """Options of `scale` from any common colours to BT.709 of limited range."""
    options = ":out_color_matrix=bt709:out_range=tv"
    if _is_flattened(picture):
        return options
    if picture.range == "pc":
        options += ":in_range=pc"
    assumed = picture.matrix or ("bt470bg" if picture.height <= SD_HEIGHT else "bt709")
    if assumed in (*_OLD_MATRICES, "bt709") and not _is_rgb(picture):
        options += f":in_color_matrix={'bt601' if assumed in _OLD_MATRICES else 'bt709'}"
    return options


def _is_rgb(picture: Picture) -> bool:
    return (
        _is_flattened(picture)
        or picture.matrix == "gbr"
        or picture.pixel_format.startswith(("rgb", "bgr", "gbr", "argb", "abgr", "pal"))
    )


def _from_wide(picture: Picture) -> Iterator[str]:
    """From the colours of HDR or of wide screens to BT.709; HDR in linear light, its highlights compressed."""
    wide = picture.is_hdr or picture.matrix in WIDE_MATRICES
    primaries = picture.primaries or ("bt2020" if wide else "bt709")
    matrix = picture.matrix or ("bt2020nc" if wide else "bt709")
    span = "full" if picture.range == "pc" else "limited"
    given = f"pin={primaries}:" + ("min=gbr:rin=full" if _is_rgb(picture) else f"min={matrix}:rin={span}")
    common = "p=bt709:t=bt709:m=bt709:r=limited"
    if not picture.is_hdr:
        yield f"zscale={given}:tin={picture.transfer or 'bt709'}:{common}"
        return
    yield f"zscale={given}:tin={picture.transfer}:p=bt709:t=linear:m=gbr:npl={WHITE_NITS}"
    yield "format=gbrpf32le"
    yield "tonemap=tonemap=mobius:param=0.5:desat=0"
    yield f"zscale={common}"
