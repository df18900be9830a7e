"""Nothing hostile or damaged gets out of an archive and into an entry's folder."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest

from gateway.domain.voice.backup import BackupError
from gateway.infrastructure.voice import backup_tar
from gateway.infrastructure.voice.backup_folder import BackupFolder
from tests.support.voice_backup import entries, entry, ids, rewrite, source_entry


@pytest.fixture
async def archive(tmp_path: Path) -> Path:
    """The archive of an entry with two voices."""
    path = tmp_path / "voices.tar.gz"
    folder = await source_entry(tmp_path / "source")
    with path.open("wb") as stream:
        BackupFolder(folder).pack(stream)
    return path


@pytest.fixture
async def target(tmp_path: Path) -> Path:
    """An entry without voices."""
    return await entry(tmp_path / "target")


def refused(archive: Path, target: Path, said: str) -> None:
    """The archive is refused with this sentence, and leaves nothing behind."""
    outside = sorted(target.parent.rglob("*"))
    with archive.open("rb") as stream, pytest.raises(BackupError, match=said), BackupFolder(target).staged(stream):
        pytest.fail("it was taken")
    assert ids(target) == []
    assert entries(target) == ["gateway.sqlite3", "voices"]
    assert sorted(target.parent.rglob("*")) == outside


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "voices/../../evil", "voices/v_1/upload", "files/x.wav"])
def test_a_member_that_is_none_of_ours_is_refused(archive: Path, target: Path, name: str) -> None:
    rewrite(archive, add={name: b"evil"})
    refused(archive, target, "is no backup of voices")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_a_member_that_is_no_file_is_refused(archive: Path, target: Path, kind: bytes) -> None:
    with tarfile.open(archive, "w:gz") as tar:
        link = tarfile.TarInfo("gateway.sqlite3")
        link.type, link.linkname = kind, "/etc/shadow"
        tar.addfile(link)
    refused(archive, target, "is no backup of voices")


def test_a_member_that_comes_twice_is_refused(archive: Path, target: Path) -> None:
    with tarfile.open(archive, "w:gz") as tar:
        for _ in range(2):
            member = tarfile.TarInfo("gateway.sqlite3")
            member.size = 1
            tar.addfile(member, io.BytesIO(b"x"))
    refused(archive, target, "damaged")


@pytest.mark.parametrize(
    ("leave_out", "add", "said"),
    [
        ("reference.wav", {}, "it lacks v_a{32}/reference.wav"),
        ("gateway.sqlite3", {}, "it has no database"),
        ("manifest.json", {}, "has format None"),
        ("", {"manifest.json": json.dumps({"format": 2}).encode()}, "has format 2"),
        ("", {"manifest.json": b"[" * 90_000}, "damaged"),
        ("", {"manifest.json": b" " * 100_001}, "is no backup of voices"),
        ("", {"gateway.sqlite3": b"SQLite format 3\0 but not really"}, "is not a voice entry's database"),
    ],
)
def test_an_archive_that_lacks_something_is_refused(
    archive: Path, target: Path, leave_out: str, add: dict[str, bytes], said: str
) -> None:
    rewrite(archive, leave_out=leave_out, add=add)
    refused(archive, target, said)


@pytest.mark.parametrize("keep", [0, 10, 200, -1, -8])
def test_a_cut_archive_is_refused(archive: Path, target: Path, keep: int) -> None:
    archive.write_bytes(archive.read_bytes()[:keep])
    refused(archive, target, "damaged")


def test_an_archive_whose_checksum_is_wrong_is_refused(archive: Path, target: Path) -> None:
    content = bytearray(archive.read_bytes())
    content[-8] ^= 1
    archive.write_bytes(content)
    refused(archive, target, "damaged")


def test_an_archive_with_data_after_its_end_is_rejected(archive: Path, target: Path) -> None:
    archive.write_bytes(archive.read_bytes() + gzip.compress(bytes(10_000_000)))
    refused(archive, target, "there is data after its end")


def test_what_does_not_fit_on_the_disk_is_refused_before_it_is_written(
    archive: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_tar, "RESERVE_BYTES", 1 << 60)
    refused(archive, target, "The disk is too full")
