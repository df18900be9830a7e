"""The queue in front of the model."""

from __future__ import annotations

import asyncio

import pytest

from cosyvoice_server.errors import ClientGone
from cosyvoice_server.slots import Slots


async def test_slots_go_to_the_longest_waiting_request() -> None:
    slots = Slots(1, 10, 5.0)
    never = asyncio.get_running_loop().create_future()
    order: list[int] = []
    await slots.acquire(never)

    async def work(number: int) -> None:
        await slots.acquire(never)
        order.append(number)
        slots.release()

    tasks = [asyncio.create_task(work(number)) for number in range(5)]
    await asyncio.sleep(0)
    assert slots.waiting == 5
    tasks[1].cancel()
    await asyncio.sleep(0)
    slots.release()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert order == [0, 2, 3, 4]
    assert (slots.running, slots.waiting) == (0, 0)
    never.cancel()


async def test_a_slot_granted_to_someone_who_has_left_goes_on() -> None:
    slots = Slots(1, 10, 5.0)
    loop = asyncio.get_running_loop()
    never, gone = loop.create_future(), loop.create_future()
    await slots.acquire(never)
    leaver = asyncio.create_task(slots.acquire(gone))
    stayer = asyncio.create_task(slots.acquire(never))
    await asyncio.sleep(0)
    gone.set_result(None)
    slots.release()
    with pytest.raises(ClientGone):
        await leaver
    await stayer
    assert slots.running == 1
    never.cancel()
