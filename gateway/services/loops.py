"""Loops that end only when they are cancelled: what goes wrong in a turn is logged, waited out, and tried again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, NoReturn

import structlog

from gateway.domain.errors import GatewayError

log = structlog.stdlib.get_logger(__name__)

FIRST_TROUBLE_SECONDS = 0.5
TROUBLE_SECONDS = 5.0


async def forever(name: str, turn: Callable[[], Awaitable[None]]) -> NoReturn:
    """Do one turn after the other.

    A disk or database that does not work is trouble that passes; anything else is a fault of ours, logged as such.

    Args:
        name: what the log calls the loop.
        turn: does its own waiting while all is well.
    """
    pause = FIRST_TROUBLE_SECONDS
    while True:
        try:
            await turn()
        except GatewayError as error:
            log.warning("loop waits", loop=name, code=error.code, cause=str(error.__cause__ or ""))
        except Exception:
            log.exception("loop broke", loop=name)
        else:
            pause = FIRST_TROUBLE_SECONDS
            continue
        await asyncio.sleep(min(pause, TROUBLE_SECONDS))
        pause = min(TROUBLE_SECONDS, 2 * pause)


@asynccontextmanager
async def in_background(*loops: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run loops within the context; leaving it cancels them and waits for their end."""
    running = [asyncio.create_task(loop) for loop in loops]
    try:
        yield
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
