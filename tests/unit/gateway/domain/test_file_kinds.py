"""An upload that can't be read is named, so that its owner knows what to do."""

from __future__ import annotations

import pytest

from gateway.domain.file_kinds import is_silk, kind_of, unreadable


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"MThd\0\0\0\6", "MIDI"),
        (b".RMF\0\0\0\x12", "RealAudio"),
        (b"CTENFDAM\x01\x70", "NCM"),
        (b"PK\x03\x04rest", "ZIP"),
        (b"%PDF-1.7", "PDF"),
        (b"\xff\xd8\xff\xe0", "JPEG"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "WebP"),
        (b"\0\0\0\x18ftypheic\0\0", "HEIC"),
        (b"\n <!DOCTYPE html><html>", "HTML"),
        (b"\x02dss", "DSS"),
        (b"#!SILK_V3\x0c\0", "SILK"),
    ],
)
def test_a_known_kind_is_named_in_both_languages(head: bytes, name: str) -> None:
    reason = unreadable(head)
    assert kind_of(head) == name
    assert reason is not None
    assert name in reason.zh
    assert name in reason.en


@pytest.mark.parametrize("head", [b"", b"RIFF\0\0\0\0WAVEfmt ", b"\0" * 64, b"plain text", b"OggS\0\2"])
def test_of_others_nothing_is_claimed(head: bytes) -> None:
    assert unreadable(head) is None


def test_a_film_without_its_index_is_called_incomplete() -> None:
    reason = unreadable(b"\0\0\0\x18ftypM4A \0\0\0\0")
    assert reason is not None
    assert "incomplete" in reason.en


@pytest.mark.parametrize("mark", [b"#!SILK_V3", b"\x02#!SILK_V3"])
def test_voice_messages_are_recognised_by_content(mark: bytes) -> None:
    assert is_silk(mark + b"\x0c\0rest")
    assert not is_silk(b"#!AMR\n" + mark)
