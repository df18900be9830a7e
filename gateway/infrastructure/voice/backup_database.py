"""The SQLite database of a voice entry, read, copied and closed without a gateway's connection."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from gateway.domain.voice.backup import BackupError, VoiceState, VoiceStates, entry_is_running

WAIT_SECONDS = 30.0


def snapshot(database: Path, target: Path) -> None:
    """Copy a database that may be in use, without the index of speech.

    Raises:
        BackupError: it can't be read.
    """
    try:
        # Read-write: a reader of a WAL database has to join its shared memory.
        with closing(_connect(database)) as source, closing(sqlite3.connect(target)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")
            if copy.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'speech'").fetchone():
                copy.execute("DELETE FROM speech")
            copy.commit()
            copy.execute("VACUUM")
    except sqlite3.Error as error:
        raise BackupError(f"The database {database} can't be copied: {error}.") from error


def voices_in(database: Path) -> VoiceStates:
    """The voices by id; empty where there is no database yet.

    Raises:
        BackupError: the file is not a voice entry's database, or a damaged one.
    """
    if not database.exists():
        return {}
    try:
        with closing(_connect(database)) as connection:
            (sound,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if sound != "ok":
                raise BackupError(f"The database {database} is damaged ({sound}).")
            rows = connection.execute("SELECT id, status, reference_sha256, name, updated_at FROM voices").fetchall()
    except sqlite3.Error as error:
        raise BackupError(f"{database} is not a voice entry's database: {error}.") from error
    return {row[0]: VoiceState(*row[1:]) for row in rows}


def forget(database: Path, voice_id: str) -> None:
    """Remove one voice from a copy."""
    with closing(_connect(database)) as connection:
        connection.execute("DELETE FROM voices WHERE id = ?", (voice_id,))
        connection.commit()


def close(database: Path, *, wait: float = 5.0) -> None:
    """Merge the write-ahead log into the database and remove it, so that no log is left for the next database.

    Args:
        database: may be missing.
        wait: seconds to wait for another user of the database.

    Raises:
        BackupError: a gateway still has it open.
    """
    if not database.exists():
        return
    try:
        with closing(sqlite3.connect(database, timeout=wait)) as connection:
            # Leaving WAL takes the file's exclusive lock, which any other open connection denies.
            connection.execute("PRAGMA journal_mode=DELETE").fetchall()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise BackupError(f"The database {database} can't be closed: {error}.") from error
        raise entry_is_running() from error


def _connect(database: Path) -> sqlite3.Connection:
    return sqlite3.connect(database, timeout=WAIT_SECONDS)
