"""Voices on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from cosyvoice_server import voices
from cosyvoice_server.reference import Reference
from cosyvoice_server.voices import Voice, VoiceStore
from tests.support.engine import reference


def voice_of(number: int) -> Voice:
    return Voice(f"ev_{number:032x}", "", 1.0, 16000, float(number))


def test_a_failed_write_leaves_no_voice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = VoiceStore(tmp_path / "voices", 10, 10)
    (tmp_path / "r.wav").write_bytes(reference(seconds=1))
    wav = Reference(tmp_path / "r.wav", 1.0, 16000)

    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(voices, "flush", full)
    with pytest.raises(OSError, match="No space"):
        store.add(wav, voice_of(1), None)
    assert list((tmp_path / "voices").iterdir()) == []
    assert store.list() == []
    monkeypatch.undo()
    store.add(wav, voice_of(1), None)
    assert [voice.voice_id for voice in VoiceStore(tmp_path / "voices", 10, 10).list()] == [voice_of(1).voice_id]
