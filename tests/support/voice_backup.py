"""The data folder of a voice entry with a few voices, and archives of it that somebody has changed."""

from __future__ import annotations

import io
import sqlite3
import tarfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from gateway.infrastructure.database import open_database
from gateway.infrastructure.voice.speech import speech
from gateway.infrastructure.voice.voices import voices

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
READY, TRAINING, LATER = (f"v_{digit * 32}" for digit in "abc")


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


async def source_entry(folder: Path) -> Path:
    """An entry with two voices, one of them in training, and with speech."""
    await entry(folder)
    add_voice(folder, READY)
    add_voice(folder, TRAINING, status="training")
    add_speech(folder)
    return folder


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
