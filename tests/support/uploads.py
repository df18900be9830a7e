"""What phones, chats and browsers send: the same speech in the containers and codecs that people really have."""

from __future__ import annotations

import ctypes
import io
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pysilk  # type: ignore[import-untyped]

from tests.support.recordings import RATE, spoken

WIDEBAND_FRAME = 320
BEST_WIDEBAND = 8


def pcm(rate: int = RATE) -> bytes:
    """The speech as bare samples; 14 s."""
    samples = spoken()
    at = np.arange(0, len(samples) - 1, RATE / rate)
    return bytes((np.interp(at, np.arange(len(samples)), samples) * 32767).astype("<i2").tobytes())


def by_ffmpeg(*arguments: str, name: str, piped: bool = False, source: bytes | None = None) -> bytes:
    """Made by ffmpeg; piped as a live recorder does, which can't go back to write lengths and indexes."""
    given = ("-f", "s16le", "-ar", str(RATE), "-ac", "1") if source is None else ()
    with TemporaryDirectory() as folder:
        target = "pipe:1" if piped else str(Path(folder, name))
        command = ["ffmpeg", "-v", "error", *given, "-i", "pipe:0", *arguments, target]
        done = subprocess.run(command, input=source or pcm(), check=True, capture_output=True)
        return done.stdout if piped else Path(target).read_bytes()


def amr() -> bytes:
    """Narrow-band AMR, as recorders of old phones and chats write it."""
    command = ["sox", "-t", "raw", "-r", str(RATE), "-e", "signed", "-b", "16", "-c", "1", "-"]
    with TemporaryDirectory() as folder:
        target = Path(folder, "a.amr")
        subprocess.run([*command, "-r", "8000", "-t", "amr-nb", str(target)], input=pcm(), check=True)
        return target.read_bytes()


def amr_wideband() -> bytes:
    """Wide-band AMR."""
    codec = ctypes.CDLL("libvo-amrwbenc.so.0")
    codec.E_IF_init.restype = ctypes.c_void_p
    state = ctypes.c_void_p(codec.E_IF_init())
    frame, samples = ctypes.create_string_buffer(100), pcm()
    made = [b"#!AMR-WB\n"]
    for at in range(0, len(samples) - 2 * WIDEBAND_FRAME, 2 * WIDEBAND_FRAME):
        size = codec.E_IF_encode(state, BEST_WIDEBAND, samples[at : at + 2 * WIDEBAND_FRAME], frame, 0)
        made.append(frame.raw[:size])
    codec.E_IF_exit(state)
    return b"".join(made)


def silk(*, tencent: bool, rate: int = 24000) -> bytes:
    """A voice message of WeChat or QQ, with Tencent's own first byte or without."""
    target = io.BytesIO()
    pysilk.encode(io.BytesIO(pcm(rate)), target, rate, rate, tencent=tencent)
    return target.getvalue()


def _in_3gp(message: Callable[[], bytes]) -> bytes:
    return by_ffmpeg("-c", "copy", name="a.3gp", source=message())


def _cut(make: Callable[[], bytes], share: float = 0.7) -> bytes:
    whole = make()
    return whole[: int(len(whole) * share)]


_FRAGMENTS = ("-c:a", "aac", "-movflags", "frag_keyframe+empty_moov+default_base_moof", "-frag_duration", "500000")
_live_webm = partial(by_ffmpeg, *("-c:a", "libopus", "-ar", "48000", "-f", "webm"), name="a.webm", piped=True)
_fragmented = partial(by_ffmpeg, *_FRAGMENTS, name="a.mp4")
_note = partial(by_ffmpeg, *("-c:a", "libopus", "-ar", "48000", "-b:a", "16k", "-application", "voip"), name="a.ogg")
_in_front = partial(by_ffmpeg, *("-c:a", "aac", "-movflags", "+faststart"), name="a.m4a")
_caf = partial(by_ffmpeg, *("-c:a", "pcm_s16le"), name="a.caf")

UPLOADS: dict[str, Callable[[], bytes]] = {
    "amr": amr,
    "amr, wide band": amr_wideband,
    "amr in 3gp": partial(_in_3gp, amr),
    "wide-band amr in 3gp": partial(_in_3gp, amr_wideband),
    "aac in 3gp": partial(by_ffmpeg, "-c:a", "aac", name="a.3gp"),
    "silk of WeChat": partial(silk, tencent=True),
    "silk of QQ": partial(silk, tencent=False),
    "silk at 16 kHz": partial(silk, tencent=True, rate=16000),
    "opus voice note": _note,
    "speex": partial(by_ffmpeg, "-c:a", "libspeex", name="a.spx"),
    "m4a voice memo": partial(by_ffmpeg, "-c:a", "aac", "-b:a", "32k", name="a.m4a"),
    "m4a, alac": partial(by_ffmpeg, "-c:a", "alac", name="a.m4a"),
    "caf": _caf,
    "caf, alac": partial(by_ffmpeg, "-c:a", "alac", name="a.caf"),
    "caf, opus": partial(by_ffmpeg, "-c:a", "libopus", "-ar", "48000", name="a.caf"),
    "caf, ima": partial(by_ffmpeg, "-c:a", "adpcm_ima_qt", name="a.caf"),
    "caf of unknown length": partial(by_ffmpeg, "-c:a", "pcm_s16le", "-f", "caf", name="a.caf", piped=True),
    "live webm": _live_webm,
    "live matroska": partial(by_ffmpeg, "-c:a", "libvorbis", "-ac", "2", "-f", "matroska", name="a.mkv", piped=True),
    "mp4 with sound only": partial(by_ffmpeg, "-c:a", "aac", name="a.mp4"),
    "fragmented mp4": _fragmented,
    "mp4 for DASH": partial(by_ffmpeg, "-c:a", "aac", "-movflags", "dash+frag_keyframe+empty_moov", name="a.mp4"),
    "mov, big-endian": partial(by_ffmpeg, "-c:a", "pcm_s16be", name="a.mov"),
    "transport stream": partial(by_ffmpeg, "-c:a", "aac", name="a.ts"),
    "flv, speex": partial(by_ffmpeg, "-c:a", "libspeex", name="a.flv"),
    "wav, gsm": partial(by_ffmpeg, "-c:a", "gsm_ms", "-ar", "8000", name="a.wav"),
    "wav, a-law": partial(by_ffmpeg, "-c:a", "pcm_alaw", "-ar", "8000", name="a.wav"),
    "rf64": partial(by_ffmpeg, "-rf64", "always", name="a.wav"),
    "mp2": partial(by_ffmpeg, "-c:a", "mp2", "-f", "mp2", name="a.mp2"),
    "truncated amr": partial(_cut, amr),
    "truncated silk": partial(_cut, partial(silk, tencent=True)),
    "truncated voice note": partial(_cut, _note),
    "truncated live webm": partial(_cut, _live_webm),
    "truncated fragmented mp4": partial(_cut, _fragmented),
    "truncated m4a, index in front": partial(_cut, _in_front),
    "truncated caf": partial(_cut, _caf),
}
# What can't be read is named: the beginning of the file, and what the sentence has to say.
UNREADABLE: dict[str, tuple[Callable[[], bytes], str]] = {
    "truncated m4a, index at the end": (partial(_cut, partial(by_ffmpeg, "-c:a", "aac", name="a.m4a")), "incomplete"),
    "silk with nothing behind its mark": (lambda: b"\x02#!SILK_V3", "SILK"),
    "midi": (lambda: b"MThd\0\0\0\6\0\1\0\1\0\x60MTrk" + bytes(50), "MIDI"),
    "wavpack": (partial(by_ffmpeg, name="a.wv"), "WavPack"),
    "encrypted music": (lambda: b"CTENFDAM" + bytes(range(256)) * 20, "NCM"),
    "an archive": (lambda: b"PK\x03\x04" + bytes(500), "ZIP"),
    "a photo": (lambda: b"\xff\xd8\xff\xe0\0\x10JFIF" + bytes(500), "JPEG"),
}
