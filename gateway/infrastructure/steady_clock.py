"""The steady clock's state in a file of the data folder, and a person's word that the wall clock is right."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from pathlib import Path

import structlog

from gateway.domain.errors import GatewayError
from gateway.domain.steady_clock import Reading, SteadyClock, SteadyState, first_state
from gateway.infrastructure.clock import read_clocks
from gateway.infrastructure.files import write_text
from gateway.infrastructure.folder_lock import LOCK_FILE

STATE_FILE = "steady-clock.json"
TRUST_FILE = "trust-clock.json"
LOOK_SECONDS = 2.0
SAVE_SECONDS = 60.0

log = structlog.stdlib.get_logger(__name__)


def is_unused(folder: Path) -> bool:
    """Whether nothing lies in a data folder yet but its lock."""
    return all(path.name == LOCK_FILE for path in folder.iterdir())


def load_clock(folder: Path, *, is_new: bool) -> SteadyClock:
    """The steady clock with the last run's state.

    Args:
        folder: the entry's data folder.
        is_new: whether there is nothing yet that a wrong clock could delete; else a missing or unreadable state holds
            deletion for a day.
    """
    try:
        state = SteadyState(**json.loads((folder / STATE_FILE).read_text(encoding="utf-8")))
    except FileNotFoundError:
        state = first_state(read_clocks(), held=not is_new)
    except (ValueError, TypeError, OSError) as error:
        log.warning("state of the steady clock is unreadable; nothing is deleted for a day", error=str(error))
        state = first_state(read_clocks(), held=True)
    return SteadyClock(read_clocks, state)


def save_clock(folder: Path, clock: SteadyClock) -> None:
    """Keep the state for the next run.

    Raises:
        StorageError: the disk is full, broken or read-only.
    """
    write_text(folder / STATE_FILE, json.dumps(asdict(clock.state)))


def trust_clock(folder: Path) -> None:
    """Note that a person has found the wall clock right just now; the entry on this folder reads it within seconds.

    Raises:
        StorageError: the disk is full, broken or read-only.
        OSError: the folder is not there, or can't be written.
    """
    write_text(folder / TRUST_FILE, json.dumps(asdict(read_clocks())))


class ClockKeeper:
    """Keeps the clock's state on the disk, says when a hold begins and ends, and does what a person says.

    Args:
        folder: the entry's data folder.
        clock: as ``load_clock`` returned it.
    """

    def __init__(self, folder: Path, clock: SteadyClock) -> None:
        self._folder = folder
        self._clock = clock
        self._said: bool | None = None
        self._saved_at = -SAVE_SECONDS

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look now, then every few seconds within the context, and a last time on leaving it."""
        await asyncio.to_thread(self.look)
        looking = asyncio.create_task(self._look_forever())
        try:
            yield
        finally:
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking
            await asyncio.to_thread(self._save)

    async def _look_forever(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await asyncio.to_thread(self.look)

    def look(self) -> None:
        """Compare the clocks once."""
        self._obey()
        state = self._clock.check()
        if state.held is not self._said:
            self._say(state)
        elif state.boot - self._saved_at < SAVE_SECONDS:
            return
        self._saved_at = state.boot
        self._save()

    def _say(self, state: SteadyState) -> None:
        if state.held:
            log.warning(
                "the machine's clock jumped, or its past is not known: nothing is deleted until it has been steady for "
                "a day, or somebody who has looked at it runs trust-clock",
                seconds_ahead=round(state.wall_ahead),
                steady_for=round(state.steady_for),
            )
        elif self._said is not None:
            log.info("the machine's clock is trusted again; what is old is deleted as ever")
        self._said = state.held

    def _obey(self) -> None:
        word = self._folder / TRUST_FILE
        try:
            content = word.read_bytes()
            word.unlink()
            seen = Reading(**json.loads(content))
        except FileNotFoundError:
            return
        except (ValueError, TypeError, OSError) as error:
            log.warning("the word of trust-clock is unreadable", error=str(error))
            return
        if not self._clock.release(seen):
            log.warning("the machine's clock jumped after trust-clock; look at it again")

    def _save(self) -> None:
        try:
            save_clock(self._folder, self._clock)
        except (GatewayError, OSError) as error:
            log.warning("state of the steady clock not saved", error=str(error))
