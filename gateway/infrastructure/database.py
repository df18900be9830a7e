"""The database: SQLite in WAL mode by default, any other SQLAlchemy URL as well; migrated at start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import structlog
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, MetaData, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import DeclarativeBase

from gateway.domain.errors import storage_full

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
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def create_engine(url: str) -> AsyncEngine:
    """An engine for the URL; no connection is made yet. SQLite's folder is created."""
    engine = create_async_engine(url, pool_pre_ping=not url.startswith("sqlite"))
    if engine.dialect.name == "sqlite":
        if engine.url.database:
            Path(engine.url.database).parent.mkdir(parents=True, exist_ok=True)
        event.listen(engine.sync_engine, "connect", _tune_sqlite)
    return engine


async def open_database(url: str) -> AsyncEngine:
    """Connect and bring the schema to the newest version; the caller disposes of the engine.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database can't be reached or migrated.
    """
    engine = create_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(_migrate)
    log.info("database ready", dialect=engine.dialect.name)
    return engine


def database_is_full(error: DBAPIError) -> bool:
    """Whether the database refused a write for want of disk space."""
    said = str(error.orig).lower()
    return "disk is full" in said or "disk i/o error" in said or "no space left" in said


def translate(error: DBAPIError) -> Exception:
    """The error to raise instead: 507 for a full disk, otherwise the error itself."""
    return storage_full() if database_is_full(error) else error
