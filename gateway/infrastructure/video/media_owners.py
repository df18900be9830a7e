"""Whose each file of the media folder is, in the database and, as one process owns it, in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.domain.access import NOBODY, Owner
from gateway.infrastructure.database import Base, reading, writing

BATCH = 200

_TABLE = sa.Table(
    "media_owners",
    Base.metadata,
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("key_id", sa.String(32), nullable=False),
    sa.Column("device_id", sa.String(256), nullable=False),
)


class MediaOwners:
    """Owners by file name; use ``MediaOwners.open``."""

    def __init__(self, database: AsyncEngine, known: Mapping[str, Owner]) -> None:
        self._database = database
        self._known = dict(known)

    @classmethod
    async def open(cls, database: AsyncEngine) -> MediaOwners:
        """Read all owners.

        Raises:
            StorageError: the database does not work.
        """
        async with reading(database) as connection:
            rows = (await connection.execute(sa.select(_TABLE))).all()
        return cls(database, {row.name: Owner(row.key_id, row.device_id) for row in rows})

    def of(self, name: str) -> Owner:
        """The owner of a file name, whether the file is there or not; ``NOBODY`` where that is not known."""
        return self._known.get(name, NOBODY)

    async def note(self, name: str, owner: Owner) -> None:
        """Record an owner; seen by ``of`` at once, and durable once this returns."""
        if self.of(name) == owner:
            return
        before, self._known[name] = self.of(name), owner
        try:
            await self._write(name, owner)
        except BaseException:
            self._known[name] = before
            raise

    async def _write(self, name: str, owner: Owner) -> None:
        row = {"name": name, "key_id": owner.key_id, "device_id": owner.device_id}
        async with writing(self._database) as connection:
            await connection.execute(sa.delete(_TABLE).where(_TABLE.c.name == name))
            if owner != NOBODY:
                await connection.execute(sa.insert(_TABLE).values(row))

    async def forget(self, names: Collection[str]) -> None:
        """Delete the records of files that are gone."""
        gone = [name for name in names if self._known.pop(name, NOBODY) != NOBODY]
        for at in range(0, len(gone), BATCH):
            async with writing(self._database) as connection:
                await connection.execute(sa.delete(_TABLE).where(_TABLE.c.name.in_(gone[at : at + BATCH])))
