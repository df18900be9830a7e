"""What this process has open, and waiting for what must come true."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


async def until(condition: Callable[[], bool]) -> None:
    """Give other tasks the loop until the condition holds; the test's own timeout ends a wait in vain."""
    while True:
        if condition():
            return
        await asyncio.sleep(0.005)


def descriptors_of(pid: int | str) -> list[str]:
    """What a process has open: paths, ``socket:[…]``, ``pipe:[…]``."""
    links = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            links.append(str(link.readlink()))
    return links


def open_below(folder: Path) -> list[str]:
    """What this process has open of a file, or of a folder's files, deleted ones included."""
    return [link for link in descriptors_of("self") if link.startswith(str(folder))]
