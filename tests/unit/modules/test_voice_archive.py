"""Voices go into one file and come back out of it, and nothing hostile or damaged gets in."""

from __future__ import annotations

import io
import json
import sqlite3
import tarfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest
import sqlalchemy as sa

from gateway.infrastructure.database import open_database
from gateway.infrastructure.speech import speech
from gateway.infrastructure.voices import voices
from tests.support.library_modules import load_library_module

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
READY, TRAINING, LATER = (f"v_{digit * 32}" for digit in "abc")


@pytest.fixture(scope="module")
def module() -> ModuleType:
    """The Ansible module as a Python module."""
    return load_library_module("voice_archive")


async def entry(folder: Path) -> Path:
    """The data folder of an entry, its database made by the gateway itself."""
    (folder / "voices").mkdir(parents=True)
    engine = await open_database(f"sqlite+aiosqlite:///{folder / 'gateway.sqlite3'}")
    await engine.dispose()
    return folder


def add_voice(folder: Path, voice_id: str, *, status: str = "ready") -> None:
    """A voice with its files, as the entry keeps it."""
    (folder / "voices" / voice_id).mkdir()
    (folder / "voices" / voice_id / "upload").write_bytes(b"upload of " + voice_id.encode())
    if status == "ready":
        (folder / "voices" / voice_id / "reference.wav").write_bytes(b"reference of " + voice_id.encode())
    insert(
        folder,
        voices.insert().values(
            id=voice_id,
            device_id="device",
            name="声音",
            status=status,
            upload_sha256="",
            created_at=MOMENT,
            updated_at=MOMENT,
        ),
    )


def add_speech(folder: Path) -> None:
    """Finished speech, file and row."""
    (folder / "files").mkdir(exist_ok=True)
    (folder / "files" / f"{'t' * 32}.wav").write_bytes(b"speech")
    insert(
        folder,
        speech.insert().values(
            fingerprint="f",
            token="t" * 32,
            voice_id=READY,
            model="m",
            audio_format="wav",
            bytes=6,
            seconds=1.0,
            created_at=MOMENT,
            used_at=MOMENT,
        ),
    )


def insert(folder: Path, statement: sa.Insert) -> None:
    engine = sa.create_engine(f"sqlite:///{folder / 'gateway.sqlite3'}")
    with engine.begin() as connection:
        connection.execute(statement)
    engine.dispose()


def ids(folder: Path) -> list[str]:
    with closing(sqlite3.connect(folder / "gateway.sqlite3")) as connection:
        return [row[0] for row in connection.execute("SELECT id FROM voices ORDER BY id")]


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
async def source(tmp_path: Path) -> Path:
    """An entry with two voices, one of them in training, and with speech."""
    folder = await entry(tmp_path / "source")
    add_voice(folder, READY)
    add_voice(folder, TRAINING, status="training")
    add_speech(folder)
    return folder


@pytest.fixture
def archive(module: ModuleType, source: Path, tmp_path: Path) -> Path:
    """Its backup."""
    path = tmp_path / "voices.tar.gz"
    module.pack(source, path)
    return path


@pytest.fixture
async def target(tmp_path: Path) -> Path:
    """An entry without voices."""
    return await entry(tmp_path / "target")


async def test_voices_come_back_with_their_files_and_without_speech(
    module: ModuleType, source: Path, archive: Path, target: Path
) -> None:
    assert module.unpack(archive, target, overwrite=False, check_mode=False) == (True, 2, 0)

    assert ids(target) == [READY, TRAINING]
    for path in (source / "voices").glob("*/*"):
        assert (target / path.relative_to(source)).read_bytes() == path.read_bytes()
    with closing(sqlite3.connect(target / "gateway.sqlite3")) as connection:
        assert connection.execute("SELECT count(*) FROM speech").fetchone() == (0,)
    assert entries(target) == ["gateway.sqlite3", "voices"]
    # The gateway itself takes the result.
    engine = await open_database(f"sqlite+aiosqlite:///{target / 'gateway.sqlite3'}")
    await engine.dispose()


def test_what_is_written_but_not_checkpointed_yet_is_in_the_backup(
    module: ModuleType, source: Path, target: Path, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(source / "gateway.sqlite3")) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("UPDATE voices SET name = 'renamed'")
        writer.commit()
        assert (source / "gateway.sqlite3-wal").stat().st_size > 0
        assert module.pack(source, tmp_path / "voices.tar.gz") == 2

    module.unpack(tmp_path / "voices.tar.gz", target, overwrite=False, check_mode=False)
    assert {row[2] for row in module.voices_of(target / "gateway.sqlite3").values()} == {"renamed"}


def test_a_voice_deleted_during_the_backup_is_left_out(module: ModuleType, source: Path, tmp_path: Path) -> None:
    for path in (source / "voices" / READY).iterdir():
        path.unlink()

    assert module.pack(source, tmp_path / "voices.tar.gz") == 1


def test_the_second_restore_changes_nothing(module: ModuleType, archive: Path, target: Path) -> None:
    module.unpack(archive, target, overwrite=False, check_mode=False)
    before = {path: path.stat().st_mtime_ns for path in target.rglob("*") if path.is_file()}

    assert module.unpack(archive, target, overwrite=False, check_mode=False) == (False, 2, 0)
    assert {path: path.stat().st_mtime_ns for path in target.rglob("*") if path.is_file()} == before


def test_check_mode_tells_and_leaves(module: ModuleType, archive: Path, target: Path) -> None:
    assert module.unpack(archive, target, overwrite=False, check_mode=True) == (True, 2, 0)
    assert ids(target) == []
    assert not list((target / "voices").iterdir())


def test_other_voices_are_lost_only_on_demand(module: ModuleType, archive: Path, target: Path) -> None:
    add_voice(target, LATER)

    with pytest.raises(module.ArchiveError, match="1 of them not in the archive; nothing was changed"):
        module.unpack(archive, target, overwrite=False, check_mode=False)
    assert ids(target) == [LATER]

    assert module.unpack(archive, target, overwrite=True, check_mode=False) == (True, 2, 1)
    assert ids(target) == [READY, TRAINING]


def test_an_interrupted_exchange_leaves_the_old_voices(
    module: ModuleType, archive: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_voice(target, LATER)
    replace = Path.replace

    def die_at_the_database(self: Path, other: Path) -> Path:
        if self.name == "gateway.sqlite3":
            raise OSError(28, "No space left on device")
        return replace(self, other)

    monkeypatch.setattr(Path, "replace", die_at_the_database)
    with pytest.raises(OSError, match="No space left"):
        module.unpack(archive, target, overwrite=True, check_mode=False)

    assert ids(target) == [LATER]
    assert (target / "voices" / LATER / "reference.wav").is_file()


def rewrite(archive: Path, *, leave_out: str = "", add: dict[str, bytes] | None = None) -> None:
    """The same archive without some members, with others."""
    with tarfile.open(archive) as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    kept = {name: content for name, content in members.items() if not (leave_out and name.endswith(leave_out))}
    with tarfile.open(archive, "w:gz") as tar:
        for name, content in {**kept, **(add or {})}.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "voices/../../evil", "voices/v_1/upload", "files/x.wav"])
def test_a_member_that_is_none_of_ours_is_refused(
    module: ModuleType, archive: Path, target: Path, tmp_path: Path, name: str
) -> None:
    rewrite(archive, add={name: b"evil"})
    before = sorted(tmp_path.rglob("*"))

    with pytest.raises(module.ArchiveError, match="is no backup of voices"):
        module.unpack(archive, target, overwrite=True, check_mode=False)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_link_is_refused(module: ModuleType, archive: Path, target: Path) -> None:
    with tarfile.open(archive, "w:gz") as tar:
        link = tarfile.TarInfo("gateway.sqlite3")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/shadow"
        tar.addfile(link)

    with pytest.raises(module.ArchiveError, match="is no backup of voices"):
        module.unpack(archive, target, overwrite=True, check_mode=False)


@pytest.mark.parametrize(
    ("leave_out", "add", "said"),
    [
        ("reference.wav", {}, "it lacks v_a{32}/reference.wav"),
        ("gateway.sqlite3", {}, "it holds no database"),
        ("manifest.json", {}, "has format None"),
        ("", {"manifest.json": json.dumps({"format": 2}).encode()}, "has format 2"),
        ("", {"gateway.sqlite3": b"SQLite format 3\0 but not really"}, "is not a voice entry's database"),
    ],
)
def test_an_archive_that_lacks_something_is_refused(
    module: ModuleType, archive: Path, target: Path, leave_out: str, add: dict[str, bytes], said: str
) -> None:
    rewrite(archive, leave_out=leave_out, add=add)

    with pytest.raises(module.ArchiveError, match=said):
        module.unpack(archive, target, overwrite=True, check_mode=False)
    assert ids(target) == []


@pytest.mark.parametrize("keep", [0, 10, 200])
def test_a_cut_archive_is_refused(module: ModuleType, archive: Path, target: Path, keep: int) -> None:
    archive.write_bytes(archive.read_bytes()[:keep])

    with pytest.raises(module.ArchiveError, match="damaged"):
        module.unpack(archive, target, overwrite=True, check_mode=False)
    assert ids(target) == []


def test_a_failed_backup_leaves_the_earlier_one(module: ModuleType, source: Path, archive: Path) -> None:
    before = archive.read_bytes()
    (source / "gateway.sqlite3").write_bytes(b"no database at all, but long enough to look like a file")

    with pytest.raises(module.ArchiveError, match=r"gateway\.sqlite3"):
        module.pack(source, archive)
    assert archive.read_bytes() == before
    assert not [path for path in archive.parent.iterdir() if path.name.startswith(".voices-")]


def test_a_host_without_a_voice_entry_is_told_so(module: ModuleType, tmp_path: Path, archive: Path) -> None:
    with pytest.raises(module.ArchiveError, match="has never run on this host"):
        module.pack(tmp_path, tmp_path / "other.tar.gz")
    with pytest.raises(module.ArchiveError, match=r"run site\.yml on this host first"):
        module.unpack(archive, tmp_path / "nowhere", overwrite=False, check_mode=False)
