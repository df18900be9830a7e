"""What each key has used today, in the database."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.domain.usage import Used, Work
from gateway.infrastructure.database import Base, reading, writing

_TABLE = sa.Table(
    "usage",
    Base.metadata,
    sa.Column("entry", sa.String(8), primary_key=True),
    sa.Column("key_id", sa.String(32), primary_key=True),
    sa.Column("work", sa.String(16), primary_key=True),
    sa.Column("day", sa.Integer, nullable=False),
    sa.Column("amount", sa.Float, nullable=False),
)


class UsageTable:
    """The amounts of one entry; a key has one row for each kind of work, of the last day that it worked.

    Args:
        database: migrated.
        entry: whose amounts they are: both entries may share a database.
    """

    def __init__(self, database: AsyncEngine, *, entry: str) -> None:
        self._database = database
        self._entry = entry

    async def read(self, day: int) -> Used:
        """What was used on a day."""
        query = sa.select(_TABLE).where(_TABLE.c.entry == self._entry, _TABLE.c.day == day)
        async with reading(self._database) as connection:
            rows = (await connection.execute(query)).all()
        return {(row.key_id, Work(row.work)): row.amount for row in rows}

    async def write(self, day: int, used: Used) -> None:
        """Keep these amounts in place of what the same keys had."""
        rows = [
            {"entry": self._entry, "key_id": key_id, "work": work.value, "day": day, "amount": amount}
            for (key_id, work), amount in used.items()
        ]
        async with writing(self._database) as connection:
            for row in rows:
                same = (_TABLE.c[name] == row[name] for name in ("entry", "key_id", "work"))
                await connection.execute(sa.delete(_TABLE).where(*same))
            await connection.execute(sa.insert(_TABLE), rows)
