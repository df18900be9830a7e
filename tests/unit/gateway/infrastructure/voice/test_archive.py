"""Archives are made while they are read; a disk that fails under one is never called damage of the archive."""

import errno
import io
import os
import zipfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.domain.errors import GatewayError
from gateway.domain.voice.voice import Voice, VoiceStatus
from gateway.infrastructure.voice import archive as adapter
from gateway.infrastructure.voice.archive import read_archive, stream_archive
from tests.support.open_files import open_below

MOMENT = datetime(2026, 3, 1, tzinfo=UTC)
VOICE = Voice(
    id="v_" + "0" * 32,
    device_id="d",
    name="Anna",
    status=VoiceStatus.READY,
    prompt_text="",
    upload_name="a.wav",
    upload_sha256="",
    created_at=MOMENT,
    updated_at=MOMENT,
)


def test_what_is_streamed_is_as_long_as_announced_and_can_be_read_again(tmp_path: Path) -> None:
    upload, reference = tmp_path / "upload", tmp_path / "reference.wav"
    upload.write_bytes(b"u" * 3_000_001)
    reference.write_bytes(b"r" * 10)

    with closing(stream_archive(VOICE, upload=upload, reference=reference)) as archive:
        upload.unlink()  # deleted in the meantime: what has begun goes on
        content = b"".join(archive.blocks)

    assert len(content) == archive.size
    source = tmp_path / "archive.zip"
    source.write_bytes(content)
    found = read_archive(source, tmp_path / "out", most_bytes=10**9, reserve=0)
    assert (found.size, (tmp_path / "out").stat().st_size) == (3_000_001, 3_000_001)
    assert zipfile.ZipFile(io.BytesIO(content)).read("reference.wav") == b"r" * 10


def test_a_voice_without_a_reference_has_two_members(tmp_path: Path) -> None:
    (tmp_path / "upload").write_bytes(b"u")
    with closing(stream_archive(VOICE, upload=tmp_path / "upload", reference=tmp_path / "none")) as archive:
        assert zipfile.ZipFile(io.BytesIO(b"".join(archive.blocks))).namelist() == ["voice.json", "upload"]


def test_an_archive_that_is_not_read_or_not_made_leaves_nothing_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload, reference = tmp_path / "upload", tmp_path / "reference.wav"
    upload.write_bytes(b"u" * 3_000_001)
    reference.write_bytes(b"r" * 10)
    with closing(stream_archive(VOICE, upload=upload, reference=reference)) as unread:
        assert len(open_below(tmp_path)) == 2
    with closing(stream_archive(VOICE, upload=upload, reference=reference)) as begun:
        assert next(begun.blocks)
    assert open_below(tmp_path) == []

    def broken(_: int) -> os.stat_result:
        raise OSError(errno.EIO, "broken")

    with monkeypatch.context() as disk, pytest.raises(OSError, match="broken") as raised:
        disk.setattr(os, "fstat", broken)
        stream_archive(VOICE, upload=upload, reference=reference)
    # What was raised is alive, with its frames.
    assert (open_below(tmp_path), unread.size, raised.value.errno) == ([], begun.size, errno.EIO)


def test_a_voice_whose_upload_is_gone_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(GatewayError, match="voice_not_found"):
        stream_archive(VOICE, upload=tmp_path / "gone", reference=tmp_path / "gone")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    made = tmp_path / "a.zip"
    with zipfile.ZipFile(made, "w") as target:
        target.writestr("voice.json", '{"format": "twinport-voice", "version": 1, "name": "Anna"}')
        target.writestr("upload", b"a recording")
    return made


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.EIO, "storage_broken"), (errno.EROFS, "storage_read_only"), (errno.EINVAL, "invalid_archive")],
)
def test_whose_fault_it_is(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: str
) -> None:
    def broken(*_: object) -> bytes:
        raise OSError(number, "as the system says it")

    monkeypatch.setattr(adapter._Frugal, "read", broken)
    with pytest.raises(GatewayError) as raised:
        read_archive(source, tmp_path / "upload", most_bytes=1000, reserve=0)
    assert raised.value.code == code
