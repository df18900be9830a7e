"""What the services see of a database that is full, locked, broken or away."""

from __future__ import annotations

import resource
import sqlite3
from pathlib import Path

import pytest
from alembic.config import Config
from sqlalchemy import exc, text
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.domain.storage import StorageError
from gateway.infrastructure import database as adapter
from gateway.infrastructure.database import create_engine, database_errors, open_database, probe_storage, writing


def sqlite_error(code: int) -> exc.OperationalError:
    """What SQLAlchemy raises for a result code of SQLite."""
    error = sqlite3.OperationalError("as SQLite says it")
    error.sqlite_errorcode = code
    return exc.OperationalError("insert", {}, error)


@pytest.fixture
def engine(tmp_path: Path) -> AsyncEngine:
    return create_engine(f"sqlite+aiosqlite:///{tmp_path / 'gateway.sqlite3'}")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (sqlite_error(sqlite3.SQLITE_FULL), "storage_full"),
        (
            exc.OperationalError("insert", {}, Exception("No space left on device")),
            "storage_full",
        ),
        (sqlite_error(sqlite3.SQLITE_READONLY_DBMOVED), "storage_read_only"),
        (sqlite_error(sqlite3.SQLITE_IOERR_FSYNC), "storage_broken"),
        (sqlite_error(sqlite3.SQLITE_CORRUPT), "storage_broken"),
        (sqlite_error(sqlite3.SQLITE_BUSY), "storage_busy"),
        (sqlite_error(sqlite3.SQLITE_CANTOPEN), "storage_busy"),
        (exc.TimeoutError("no connection in the pool"), "storage_busy"),
        (ConnectionRefusedError(111, "Connection refused"), "storage_busy"),
        (OSError(5, "Input/output error"), "storage_broken"),
    ],
)
def test_what_the_database_meets_has_its_own_code(engine: AsyncEngine, error: Exception, code: str) -> None:
    with pytest.raises(StorageError) as raised, database_errors(engine):
        raise error
    assert raised.value.code == code


@pytest.mark.parametrize("kind", [exc.IntegrityError, exc.ProgrammingError])
def test_a_mistake_of_ours_stays_one(engine: AsyncEngine, kind: type[exc.DBAPIError]) -> None:
    with pytest.raises(kind), database_errors(engine):
        raise kind("insert", {}, Exception("no such column"))


async def test_a_bound_of_the_files_size_is_a_full_disk(tmp_path: Path) -> None:
    database = await open_database(f"sqlite+aiosqlite:///{tmp_path / 'gateway.sqlite3'}")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(StorageError, match="storage_full"):
            async with writing(database) as connection:
                await connection.execute(text("CREATE TABLE more (number INTEGER)"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        await database.dispose()


async def test_a_probe_finds_a_locked_database_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "BUSY_TIMEOUT_MS", 50)
    folder, path = tmp_path / "media", tmp_path / "gateway.sqlite3"
    folder.mkdir()
    database = await open_database(f"sqlite+aiosqlite:///{path}")
    await probe_storage(database, folder)
    other = sqlite3.connect(path)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError, match="storage_busy"):
        await probe_storage(database, folder)
    other.close()
    await probe_storage(database, folder)
    async with writing(database) as connection:
        await connection.execute(text("DELETE FROM voices"))
    await database.dispose()
    assert list(folder.iterdir()) == []


async def test_migrations_that_are_cut_off_leave_nothing_half_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, upgrade = f"sqlite+aiosqlite:///{tmp_path / 'gateway.sqlite3'}", adapter.command.upgrade

    def cut_off(config: Config, _: str) -> None:
        upgrade(config, "0002")
        raise LookupError

    monkeypatch.setattr(adapter.command, "upgrade", cut_off)
    with pytest.raises(LookupError):
        await open_database(url)
    monkeypatch.undo()
    await (await open_database(url)).dispose()
