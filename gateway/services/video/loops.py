"""Loops that end only when they are cancelled: what goes wrong in a turn is logged, waited out, and tried again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NoReturn

import structlog
from sqlalchemy.exc import SQLAlchemyError

from gateway.domain.errors import GatewayError

log = structlog.stdlib.get_logger(__name__)

TROUBLE_SECONDS = 5.0


async def forever(name: str, turn: Callable[[], Awaitable[None]]) -> NoReturn:
    """Do one turn after the other.

    A full disk and a database that is away are trouble that passes; anything else is a fault of ours, and told as one.

    Args:
        name: what the log calls the loop.
        turn: does its own waiting while all is well.
    """
    while True:
        try:
            await turn()
        except (GatewayError, SQLAlchemyError) as error:
            code = error.code if isinstance(error, GatewayError) else type(error).__name__
            log.warning("loop waits", loop=name, code=code)
            await asyncio.sleep(TROUBLE_SECONDS)
        except Exception:
            log.exception("loop broke", loop=name)
            await asyncio.sleep(TROUBLE_SECONDS)
