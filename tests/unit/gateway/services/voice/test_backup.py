"""All voices go into one archive and come back out of it, on a real SQLite folder."""

from __future__ import annotations

import io
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

import pytest

from gateway.domain.voice.backup import BackupError
from gateway.infrastructure.database import open_database
from gateway.infrastructure.folder_lock import own_folder
from gateway.infrastructure.voice.backup_folder import BackupFolder
from gateway.services.voice.backup import BackupReport, export_voices, import_voices
from tests.support.voice_backup import LATER, READY, TRAINING, add_voice, entries, entry, ids, source_entry


@pytest.fixture
async def source(tmp_path: Path) -> Path:
    """An entry with two voices, one of them in training, and with speech."""
    return await source_entry(tmp_path / "source")


@pytest.fixture
async def target(tmp_path: Path) -> Path:
    """An entry without voices."""
    return await entry(tmp_path / "target")


def exported(folder: Path) -> tuple[BackupReport, bytes]:
    archive = io.BytesIO()
    return export_voices(BackupFolder(folder), archive, dry_run=False), archive.getvalue()


def imported(folder: Path, archive: bytes, *, overwrite: bool = False, dry_run: bool = False) -> BackupReport:
    return import_voices(BackupFolder(folder), io.BytesIO(archive), overwrite=overwrite, dry_run=dry_run)


async def test_voices_come_back_with_their_files_and_without_speech(source: Path, target: Path) -> None:
    report, archive = exported(source)
    assert report == BackupReport(voices=2)

    assert imported(target, archive) == BackupReport(voices=2, different=True)

    assert ids(target) == [READY, TRAINING]
    for path in (source / "voices").glob("*/*"):
        assert (target / path.relative_to(source)).read_bytes() == path.read_bytes()
    with closing(sqlite3.connect(target / "gateway.sqlite3")) as connection:
        assert connection.execute("SELECT count(*) FROM speech").fetchone() == (0,)
    assert entries(target) == ["gateway.lock", "gateway.sqlite3", "voices"]
    # The gateway itself takes the result.
    engine = await open_database(f"sqlite+aiosqlite:///{target / 'gateway.sqlite3'}")
    await engine.dispose()


def test_voices_come_into_an_empty_folder(source: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()

    assert imported(empty, exported(source)[1]) == BackupReport(voices=2, different=True)
    assert ids(empty) == [READY, TRAINING]


def test_an_archive_of_version_1_0_is_read(source: Path, target: Path) -> None:
    """Version 1.0 wrote a seekable tar through ``w:gz``, with its members in the same order."""
    archive = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(exported(source)[1])) as new,
        tarfile.open(fileobj=archive, mode="w:gz") as old,
    ):
        for member in new:
            old.addfile(member, new.extractfile(member))

    assert imported(target, archive.getvalue()) == BackupReport(voices=2, different=True)
    assert ids(target) == [READY, TRAINING]


def test_a_dry_export_counts_and_writes_nothing(source: Path) -> None:
    archive = io.BytesIO()

    assert export_voices(BackupFolder(source), archive, dry_run=True) == BackupReport(voices=2)
    assert archive.getvalue() == b""


def test_what_is_written_but_not_checkpointed_yet_is_in_the_archive(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source / "gateway.sqlite3")) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("UPDATE voices SET name = 'renamed'")
        writer.commit()
        assert (source / "gateway.sqlite3-wal").stat().st_size > 0
        report, archive = exported(source)
        assert report.voices == 2

    imported(target, archive)
    assert {voice.name for voice in BackupFolder(target).voices().values()} == {"renamed"}


def test_a_voice_deleted_during_the_export_is_left_out(source: Path) -> None:
    for path in (source / "voices" / READY).iterdir():
        path.unlink()

    assert exported(source)[0] == BackupReport(voices=1)


def test_the_second_import_changes_nothing(source: Path, target: Path) -> None:
    archive = exported(source)[1]
    imported(target, archive)
    before = {path: path.stat().st_mtime_ns for path in target.rglob("*") if path.is_file()}

    assert imported(target, archive) == BackupReport(voices=2)
    assert {path: path.stat().st_mtime_ns for path in target.rglob("*") if path.is_file()} == before


def test_a_dry_import_reports_and_changes_nothing(source: Path, target: Path) -> None:
    assert imported(target, exported(source)[1], dry_run=True) == BackupReport(voices=2, different=True)
    assert ids(target) == []
    assert not list((target / "voices").iterdir())


def test_other_voices_are_lost_only_on_demand(source: Path, target: Path) -> None:
    add_voice(target, LATER)
    archive = exported(source)[1]

    with pytest.raises(BackupError, match="1 of them not in the archive; nothing was changed"):
        imported(target, archive)
    assert ids(target) == [LATER]

    assert imported(target, archive, overwrite=True) == BackupReport(voices=2, different=True, replaced=1)
    assert ids(target) == [READY, TRAINING]


def test_the_voices_of_an_entry_that_uses_its_folder_are_not_replaced(source: Path, target: Path) -> None:
    archive = exported(source)[1]
    with own_folder(target, entry="voice"):
        assert exported(target)[0] == BackupReport(voices=0)
        with pytest.raises(BackupError, match="The voice gateway is running; nothing was changed"):
            imported(target, archive)
    assert ids(target) == []

    assert imported(target, archive) == BackupReport(voices=2, different=True)


async def test_the_voices_of_an_open_database_are_not_replaced(source: Path, target: Path) -> None:
    archive = exported(source)[1]
    engine = await open_database(f"sqlite+aiosqlite:///{target / 'gateway.sqlite3'}")
    try:
        with pytest.raises(BackupError, match="The voice gateway is running; nothing was changed"):
            imported(target, archive)
        assert not list((target / "voices").iterdir())
        assert exported(target)[0] == BackupReport(voices=0)
    finally:
        await engine.dispose()

    assert imported(target, archive) == BackupReport(voices=2, different=True)


def test_an_interrupted_replacement_keeps_the_old_voices(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_voice(target, LATER)
    archive = exported(source)[1]
    replace = Path.replace

    def die_at_the_database(self: Path, other: Path) -> Path:
        if self.name == "gateway.sqlite3":
            raise OSError(28, "No space left on device")
        return replace(self, other)

    monkeypatch.setattr(Path, "replace", die_at_the_database)
    with pytest.raises(OSError, match="No space left"):
        imported(target, archive, overwrite=True)

    assert ids(target) == [LATER]
    assert (target / "voices" / LATER / "reference.wav").is_file()


def test_a_host_without_a_voice_entry_is_reported(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="has never run on this host"):
        exported(tmp_path)
    with pytest.raises(BackupError, match=r"run site\.yml on this host first"):
        exported(tmp_path / "nowhere")


def test_a_file_that_is_no_database_is_reported(source: Path) -> None:
    (source / "gateway.sqlite3").write_bytes(b"no database at all, but long enough to look like a file")

    with pytest.raises(BackupError, match=r"gateway\.sqlite3 can't be copied"):
        exported(source)
    assert entries(source) == ["files", "gateway.sqlite3", "voices"]
