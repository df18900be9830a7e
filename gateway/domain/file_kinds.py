"""Names what an upload is when it has no sound that can be read, so that its owner knows what to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.domain.errors import Reason

HEAD_BYTES = 64


@dataclass(frozen=True)
class _Kind:
    name: str
    matches: Callable[[bytes], bool]


def _at(offset: int, *marks: bytes) -> Callable[[bytes], bool]:
    return lambda head: any(head[offset : offset + len(mark)] == mark for mark in marks)


_KINDS = (
    _Kind("SILK", _at(0, b"#!SILK", b"\x02#!SILK")),
    _Kind("MIDI", _at(0, b"MThd")),
    _Kind("RealAudio", _at(0, b".ra\xfd", b".RMF")),
    _Kind("Monkey's Audio (ape)", _at(0, b"MAC ")),
    _Kind("WavPack (wv)", _at(0, b"wvpk")),
    _Kind("True Audio (tta)", _at(0, b"TTA1")),
    _Kind("Musepack (mpc)", _at(0, b"MPCK", b"MP+")),
    _Kind("DSD (dsf)", _at(0, b"DSD ", b"FRM8")),
    _Kind("DSS", _at(0, b"\x02dss", b"\x03dss", b"\x03ds2", b"\x02ds2")),
    _Kind("Audible (aax)", lambda head: head[4:12] == b"ftypaax "),
    _Kind("QCELP (qcp)", lambda head: head[:4] == b"RIFF" and head[8:12] == b"QLCM"),
    _Kind("NCM", _at(0, b"CTENFDAM")),
    _Kind("KGM", _at(0, bytes.fromhex("7cd532eb86027f4ba8afa68e0fff9914"))),
    _Kind("MGG/QMC", _at(0, b"QTag", b"STag")),
    _Kind("Encrypted Ogg", _at(0, b"musicex")),
    _Kind("ZIP", _at(0, b"PK\x03\x04", b"PK\x05\x06")),
    _Kind("RAR", _at(0, b"Rar!")),
    _Kind("7z", _at(0, b"7z\xbc\xaf\x27\x1c")),
    _Kind("gzip", _at(0, b"\x1f\x8b")),
    _Kind("PDF", _at(0, b"%PDF")),
    _Kind("Word/Excel", _at(0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")),
    _Kind("PNG", _at(0, b"\x89PNG")),
    _Kind("JPEG", _at(0, b"\xff\xd8\xff")),
    _Kind("GIF", _at(0, b"GIF8")),
    _Kind("WebP", lambda head: head[:4] == b"RIFF" and head[8:12] == b"WEBP"),
    _Kind("HEIC", lambda head: head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"mif1", b"avif", b"msf1")),
    _Kind("M3U", _at(0, b"#EXTM3U")),
    _Kind("HTML", lambda head: head.lstrip().lower().startswith((b"<!doctype html", b"<html"))),
    _Kind("JSON", lambda head: head.lstrip()[:1] in (b"{", b"[")),
)


def kind_of(head: bytes) -> str | None:
    """The usual name of what these first bytes begin, if it is none of the formats that are read."""
    return next((kind.name for kind in _KINDS if kind.matches(head)), None)


def is_mp4(head: bytes) -> bool:
    """Whether a file begins as MP4, M4A, MOV or 3GP do; one that can't be read has lost its index, or is protected."""
    return head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"skip", b"free")


def is_silk(head: bytes) -> bool:
    """Whether it is a voice message of WeChat or QQ, whatever its name."""
    return head.startswith((b"#!SILK_V3", b"\x02#!SILK_V3"))


def unreadable(head: bytes) -> Reason | None:
    """What a file without readable sound is, and what to do; None where nothing is known."""
    name = kind_of(head)
    if name is not None:
        return Reason(
            f"这是 {name} 文件，无法读取其中的声音。请转换为 wav、mp3 或 m4a 录音后重新上传。",
            f"Sound of the format {name} can't be read. Convert it to wav, mp3 or m4a and upload that.",
        )
    if is_mp4(head):
        return Reason(
            "文件不完整（缺少索引）或有版权保护，无法读取。请在录音应用中重新导出后上传。",
            "The file is incomplete (its index is missing) or copy-protected. Export it again from its app.",
        )
    return None
