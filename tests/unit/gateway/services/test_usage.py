"""A day's work of each key."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.domain.errors import GatewayError
from gateway.domain.usage import DAY_SECONDS, Work
from gateway.infrastructure.database import open_database
from tests.support.usage import usage_of


class Clock:
    """A clock that a test sets."""

    now = 1_000_000.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    held = False

    def horizon(self, max_age: float) -> float:
        return self.now - max_age


async def test_the_limit_is_of_a_day_and_of_a_key(tmp_path: Path) -> None:
    clock = Clock()
    database = await open_database(f"sqlite+aiosqlite:///{tmp_path / 'x.sqlite3'}")
    usage = usage_of(database, clock=clock, requests=2)
    for _ in range(2):
        usage.require("a", Work.REQUESTS)
        usage.add("a", Work.REQUESTS)
    with pytest.raises(GatewayError) as refused:
        usage.require("a", Work.REQUESTS)
    assert refused.value.retry_after == DAY_SECONDS - 1_000_000 % DAY_SECONDS
    usage.require("b", Work.REQUESTS)
    usage.require("", Work.REQUESTS)
    usage.require("a", Work.SPEECH_SECONDS)
    clock.now += DAY_SECONDS
    usage.require("a", Work.REQUESTS)
    await database.dispose()


async def test_what_was_used_today_is_there_after_a_restart_and_yesterdays_is_not(tmp_path: Path) -> None:
    clock = Clock()
    database = await open_database(f"sqlite+aiosqlite:///{tmp_path / 'x.sqlite3'}")

    async def used_up(*, amount: float = 0.0) -> bool:
        usage = usage_of(database, clock=clock, speech_seconds=10)
        async with usage.kept():
            try:
                usage.require("a", Work.SPEECH_SECONDS)
            except GatewayError:
                return True
            usage.add("a", Work.SPEECH_SECONDS, amount)
        return False

    assert [await used_up(amount=6), await used_up(amount=6), await used_up()] == [False, False, True]
    clock.now += DAY_SECONDS
    assert not await used_up(amount=1)
    await database.dispose()
