"""Reference audio as the model gets it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cosyvoice_server.reference import prepare_reference
from cosyvoice_server.settings import Settings
from tests.support.engine import reference


def with_a_chunk_more(wav: bytes) -> bytes:
    return wav + b"LIST\x04\x00\x00\x00abcd"


def with_a_longer_claim(wav: bytes) -> bytes:
    return wav[:40] + (len(wav) * 2).to_bytes(4, "little") + wav[44:]


@pytest.mark.parametrize("dress", [bytes, with_a_chunk_more, with_a_longer_claim])
def test_the_model_gets_the_same_wav_however_it_was_sent(tmp_path: Path, dress: Any) -> None:
    plain = reference(seconds=2)
    upload = tmp_path / "upload"
    upload.write_bytes(dress(plain))
    prepared = prepare_reference(upload, tmp_path / "reference.wav", Settings.from_environment({}))
    assert prepared.path.read_bytes() == plain
    assert (prepared.duration, prepared.sample_rate) == (2.0, 16000)
