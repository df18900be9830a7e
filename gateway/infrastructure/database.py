"""The database: SQLite in WAL mode by default, any other SQLAlchemy URL as well; migrated at start."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import structlog
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, MetaData, event, text
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.orm import DeclarativeBase

from gateway.domain.storage import (
    StorageError,
    storage_broken,
    storage_busy,
    storage_error_of,
    storage_full,
    storage_read_only,
)
from gateway.infrastructure.files import make_folder, write_probe

BUSY_TIMEOUT_MS = 10_000
MIGRATION_LOCK = 0x7477696E  # PostgreSQL advisory lock: two entries may share one database
NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

log = structlog.stdlib.get_logger(__name__)


class Base(DeclarativeBase):
    """All tables of both entries."""

    metadata = MetaData(naming_convention=NAMING)


def _tune_sqlite(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    # FULL: what has been acknowledged survives a power cut, not only a crash.
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _migrate(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
    elif connection.dialect.name == "sqlite":
        # Python's driver begins no transaction for a change of tables: a crash would leave some of them, and no start
        # after it would get past them.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def create_engine(url: str) -> AsyncEngine:
    """An engine for the URL; no connection is made yet. SQLite's folder is created."""
    engine = create_async_engine(url, pool_pre_ping=not url.startswith("sqlite"))
    if engine.dialect.name == "sqlite":
        if engine.url.database:
            make_folder(Path(engine.url.database).parent)
        event.listen(engine.sync_engine, "connect", _tune_sqlite)
    return engine


async def open_database(url: str) -> AsyncEngine:
    """Connect and bring the schema to the newest version; the caller disposes of the engine.

    Raises:
        StorageError: the database can't be reached or migrated.
    """
    engine = create_engine(url)
    try:
        async with writing(engine) as connection:
            await connection.run_sync(_migrate)
    except BaseException:
        await engine.dispose()
        raise
    log.info("database ready", dialect=engine.dialect.name)
    return engine


@asynccontextmanager
async def opened_database(url: str) -> AsyncIterator[AsyncEngine]:
    """See ``open_database``; disposes of the engine at the end."""
    engine = await open_database(url)
    try:
        yield engine
    finally:
        await engine.dispose()


@asynccontextmanager
async def reading(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection to read with.

    Raises:
        StorageError: the database is locked, away, or its disk does not work.
    """
    with database_errors(engine):
        async with engine.connect() as connection:
            yield connection


@asynccontextmanager
async def writing(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """One transaction, which is committed at the end of the context; whatever is raised within undoes it.

    Raises:
        StorageError: as ``reading``, or the disk is full or read-only; nothing has changed then.
    """
    with database_errors(engine):
        async with engine.begin() as connection:
            yield connection


@contextmanager
def database_errors(engine: AsyncEngine) -> Iterator[None]:
    """Turn what the database or its driver raises into the domain's errors; mistakes in a statement stay what they are.

    Raises:
        StorageError: some drivers report a database that is away with an ``OSError``.
    """
    try:
        yield
    except (IntegrityError, ProgrammingError, DataError):
        raise
    except DBAPIError as error:
        if _sqlite_code(error) == sqlite3.SQLITE_ERROR:  # a table is missing, say: SQLite's word for a mistake
            raise
        raise _translated(error, engine) from error
    except OSError as error:
        raise storage_error_of(error.errno) or storage_busy() from error
    except SQLAlchemyError as error:
        raise storage_busy() from error


_SQLITE = {
    sqlite3.SQLITE_FULL: storage_full,
    sqlite3.SQLITE_READONLY: storage_read_only,
    sqlite3.SQLITE_CORRUPT: storage_broken,
    sqlite3.SQLITE_NOTADB: storage_broken,
}


def _translated(error: DBAPIError, engine: AsyncEngine) -> StorageError:
    primary = _sqlite_code(error)
    if primary is None:
        return storage_full() if "no space left" in str(error.orig).lower() else storage_busy()
    if primary in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN):
        otherwise = storage_broken if primary == sqlite3.SQLITE_IOERR else storage_busy
        return _refusal_of_disk(Path(engine.url.database or "")) or otherwise()
    return _SQLITE.get(primary, storage_busy)()


def _sqlite_code(error: DBAPIError) -> int | None:
    """SQLite's primary result code; None where another database speaks."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF  # the rest says where it happened


def _refusal_of_disk(database: Path) -> StorageError | None:
    """Why the disk takes no further page: SQLite keeps that to itself, a full quota is an "I/O error" to it."""
    try:
        sizes = [path.stat().st_size for path in database.parent.glob(f"{database.name}*")]
        write_probe(database.parent, at=max(sizes, default=0), durable=False)
    except StorageError as error:
        return error
    except OSError:
        return None
    return None


async def probe_storage(engine: AsyncEngine, *folders: Path) -> None:
    """Find out whether the disks of some folders and the database take writes now.

    Raises:
        StorageError: one does not.
    """
    for folder in folders:
        await asyncio.to_thread(write_probe, folder)
    async with reading(engine) as connection:
        await connection.exec_driver_sql("BEGIN IMMEDIATE" if engine.dialect.name == "sqlite" else "SELECT 1")
