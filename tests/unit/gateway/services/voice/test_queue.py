"""The queue for the engine: bounded, fair, and never losing a slot."""

import asyncio
import contextlib
import random

import pytest

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.services.voice.queue import FairQueue


def queue(slots: int = 1, size: int = 100, timeout: float = 60.0) -> FairQueue:
    return FairQueue(slots=slots, size=size, timeout=timeout)


async def hold(waiting: FairQueue, device: str, order: list[str], label: str) -> None:
    async with waiting.slot(device):
        order.append(label)
        await asyncio.sleep(0)


async def test_devices_take_turns_and_keep_their_own_order() -> None:
    waiting, order = queue(), list[str]()
    async with waiting.slot("holder"):
        tasks = []
        for label in ("a1", "a2", "a3", "a4", "b1", "b2", "c1"):
            tasks.append(asyncio.create_task(hold(waiting, label[0], order, label)))
            await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert order == ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]


async def test_beyond_its_size_it_refuses_at_once() -> None:
    waiting = queue(size=1)
    async with waiting.slot("a"):
        second = asyncio.create_task(hold(waiting, "a", [], "second"))
        await asyncio.sleep(0)
        with pytest.raises(GatewayError, match="queue_full") as refused:
            await hold(waiting, "b", [], "third")
        assert refused.value.kind is ErrorKind.TEMPORARY
    await second


async def test_one_device_can_not_take_every_place() -> None:
    waiting, order = queue(size=4), list[str]()

    async def ask(label: str) -> str:
        try:
            await hold(waiting, label[0], order, label)
        except GatewayError as refused:
            assert refused.kind is ErrorKind.TEMPORARY
            return refused.code
        return "served"

    async with waiting.slot("holder"):
        tasks = {}
        for label in ("a1", "a2", "a3", "a4", "b1", "a5", "b2", "b3", "c1"):
            tasks[label] = asyncio.create_task(ask(label))
            await asyncio.sleep(0)
        assert waiting.waiting == 4
    said = {label: await task for label, task in tasks.items()}
    # The newest of the fullest go: a4 for b1, a3 for b2, a2 for c1. b3 would leave b with more than a.
    assert [label for label, code in said.items() if code == "queue_full"] == ["a2", "a3", "a4", "a5", "b3"]
    assert order == ["a1", "b1", "c1", "b2"]
    assert waiting.waiting == 0


async def test_a_rejected_request_takes_no_slot() -> None:
    waiting = queue(size=3)
    async with waiting.slot("holder"):
        greedy = [asyncio.create_task(hold(waiting, "a", [], "")) for _ in range(3)]
        await asyncio.sleep(0)
        modest = asyncio.create_task(hold(waiting, "b", [], ""))
        await asyncio.sleep(0)
        # Turned away and cancelled in the same instant.
        greedy[2].cancel()
    results = await asyncio.gather(*greedy, modest, return_exceptions=True)
    assert [type(result) for result in results[:2]] == [type(None)] * 2
    assert results[3] is None
    assert waiting.waiting == 0
    async with waiting.slot("x"):
        pass


async def test_waiting_ends_with_a_timeout() -> None:
    waiting = queue(timeout=0.01)
    async with waiting.slot("a"):
        with pytest.raises(GatewayError, match="queue_timeout"):
            await hold(waiting, "b", [], "late")
    assert waiting.waiting == 0
    await hold(waiting, "b", [], "later")


async def test_no_slot_is_lost_when_clients_leave_at_any_time() -> None:
    waiting = queue(slots=3)
    running, most = 0, 0
    generator = random.Random(7)

    async def work(device: str) -> None:
        nonlocal running, most
        async with waiting.slot(device):
            running += 1
            most = max(most, running)
            try:
                await asyncio.sleep(generator.random() / 500)
            finally:
                running -= 1

    tasks = [asyncio.create_task(work(f"device {number % 7}")) for number in range(100)]
    for task in generator.sample(tasks, 50):
        await asyncio.sleep(generator.random() / 1000)
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.gather(*tasks, return_exceptions=True)
    assert (running, waiting.waiting, most) == (0, 0, 3)
    # All three slots are free again.
    async with waiting.slot("x"), waiting.slot("y"), waiting.slot("z"):
        pass
