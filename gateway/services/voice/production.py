"""One order being made, and its followers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Protocol

from gateway.domain.errors import GatewayError, without_frames
from gateway.domain.voice.engine import broken_stream
from gateway.domain.voice.ports import GrowingFile, StreamBroken
from gateway.domain.voice.speech import StoredSpeech

# A client whose stream was cut and that repeats its request this soon finds the work in progress.
LINGER_SECONDS = 3.0


@dataclass(frozen=True)
class Making:
    """One attempt at an order.

    Attributes:
        file: of the speech.
        sample_rate: Hz of the speech; of the source, if the file is an encoded one.
        model: the model that speaks.
        number: of the attempt, from 1, among those that were as long as their text lets expect or not.
    """

    file: GrowingFile
    sample_rate: int
    model: str
    number: int = 1


class Source(Protocol):
    """Speech that can be followed."""

    async def making(self) -> Making:
        """The current attempt; waits for one.

        Raises:
            GatewayError: there is none any more.
        """

    async def turn(self) -> None:
        """Wait until the engine works on it, or it is clear that it never will."""

    def followed(self) -> AbstractContextManager[object]:
        """Count as a follower, for whom the speech is kept open within the context."""


class Finished:
    """A finished file as a source, for one follower."""

    def __init__(self, making: Making) -> None:
        self._making = making

    async def making(self) -> Making:
        """The file."""
        return self._making

    async def turn(self) -> None:
        """Return at once: it needs no engine."""

    def followed(self) -> AbstractContextManager[object]:
        """Close the file at the end."""
        return closing(self._making.file)


class Production:
    """One order being made by one task. The task ends with the stored speech, or with an error for all who wait.

    It continues without followers once it is *kept*; otherwise it is stopped when the last one has been away for
    ``LINGER_SECONDS``.

    Args:
        voice_id: the voice that speaks.
        work: makes the order, announcing each attempt by ``begin``.
        name: of the task.
    """

    def __init__(self, voice_id: str, work: Callable[[Production], Awaitable[StoredSpeech]], *, name: str) -> None:
        self.voice_id = voice_id
        self._making: Making | None = None
        self._holding = ExitStack()
        self._is_over = False
        self._followers = 0
        self._kept = False
        self._streamed = False
        self._origin: Production | None = None
        self._stopped: GatewayError | None = None
        self._lingering: asyncio.TimerHandle | None = None
        self._turn = asyncio.Event()
        self._news = asyncio.Event()
        self.task = asyncio.create_task(self._run(work), name=name)
        self.task.add_done_callback(self._ended)

    async def _run(self, work: Callable[[Production], Awaitable[StoredSpeech]]) -> StoredSpeech:
        try:
            return await work(self)
        except asyncio.CancelledError:
            if self._stopped is None:
                raise
            failed = self._stopped
        except GatewayError as error:
            failed = error
        # Here, as within the handlers it would get what was handled, and its frames, as its context.
        raise without_frames(failed)

    def _ended(self, task: asyncio.Task[StoredSpeech]) -> None:
        self._is_over = True
        if task.cancelled() or task.exception() is not None:
            self._making = None
        if not self._followers:
            self._holding.close()
        self._turn.set()
        self._news.set()

    # For the producer

    def at_work(self) -> None:
        """Note that the wait in the queue is over."""
        self._turn.set()

    def begin(self, making: Making) -> None:
        """Announce an attempt whose file can be followed from now on."""
        self._making = making
        self._holding.enter_context(making.file.held())
        self._news.set()

    def break_off(self, error: Exception) -> None:
        """End a failed attempt: followers that got some of it get the error, the others wait for the next attempt."""
        if self._making is not None:
            self._making.file.fail(error)
            self._making.file.discard()
            self._making = None
            self._holding.close()
            self._news.clear()

    def keep(self) -> None:
        """Finish the work even if nobody follows."""
        self._kept = True

    @property
    def is_streamed(self) -> bool:
        """Whether a client gets the speech while it is made; then an attempt can't be taken back."""
        return self._streamed

    def made_from(self, origin: Production) -> None:
        """Note the production whose speech this one encodes."""
        self._origin = origin
        if self._streamed:
            origin.stream()

    def stream(self) -> None:
        """Note that a client has got some of the speech while it is made."""
        self._streamed = True
        if self._origin is not None:
            self._origin.stream()

    # For followers

    @property
    def is_open(self) -> bool:
        """Whether the production can be joined: it neither failed nor was stopped."""
        if self._stopped is not None or self._is_over or self.task.cancelled():
            return False
        return not self.task.done() or self.task.exception() is None

    def stop(self, error: GatewayError) -> None:
        """End the work; followers get the error."""
        if self._stopped is None and not self.task.done():
            self._stopped = error
            if self._making is not None:
                self._making.file.fail(error)
            self.task.cancel()

    async def turn(self) -> None:
        """Wait until the engine works on it, or it is clear that it never will."""
        await self._turn.wait()

    async def making(self) -> Making:
        """The current attempt; waits for one.

        Raises:
            GatewayError: there is none any more.
        """
        while self._making is None:
            if self.task.done():
                self.task.result()
                raise broken_stream()
            await self._news.wait()
        return self._making

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Count as a follower of the speech."""
        self._followers += 1
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
        try:
            yield
        finally:
            self._followers -= 1
            if self._is_over and not self._followers:
                self._holding.close()
            if not (self._followers or self._kept or self.task.done()):
                self._lingering = asyncio.get_running_loop().call_later(LINGER_SECONDS, self._abandon)

    def _abandon(self) -> None:
        if not (self._followers or self._kept):
            self.stop(broken_stream())


async def follow(
    source: Source, *, skip: int = 0, head: Callable[[Making], bytes] = lambda _: b""
) -> AsyncGenerator[bytes]:
    """The speech of a source as it is made, after ``head``.

    An attempt that stops early before anything of it was yielded is replaced by the next one.

    Args:
        source: to be followed; the caller holds its ``followed``.
        skip: bytes at the beginning of the file that are left out.
        head: bytes before the first piece.

    Raises:
        GatewayError: the speech can't be made.
        StreamBroken: the engine stopped early after something was yielded.
    """
    while True:
        making = await source.making()
        offset = skip
        try:
            with making.file.held():
                while piece := await making.file.read(offset):
                    yield head(making) + piece if offset == skip else piece
                    offset += len(piece)
        except StreamBroken:
            if offset > skip:
                raise
        else:
            return
