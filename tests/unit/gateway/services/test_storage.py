"""Trouble with the storage is known from a request or a probe, and forgotten once a probe succeeds."""

from __future__ import annotations

import asyncio

import pytest

from gateway.domain.storage import storage_broken, storage_full
from gateway.services import loops, storage
from gateway.services.storage import StorageWatch


async def test_a_probe_finds_trouble_and_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "PROBE_SECONDS", 0.01)
    outcomes = [storage_full(), storage_full(), None]
    seen = []
    watch = StorageWatch()

    async def probe() -> None:
        seen.append(watch.trouble.code if watch.trouble else None)
        outcome = outcomes.pop(0) if outcomes else None
        if outcome is not None:
            raise outcome

    async with loops.in_background(watch.watch(probe)):
        while len(seen) < 5:  # noqa: ASYNC110 - the watch has no event
            await asyncio.sleep(0.01)
    assert seen[:5] == [None, "storage_full", "storage_full", None, None]


async def test_what_a_request_met_is_known_at_once() -> None:
    watch = StorageWatch()
    assert watch.trouble is None
    watch.note(storage_broken())
    assert watch.trouble is not None
    assert watch.trouble.code == "storage_broken"
