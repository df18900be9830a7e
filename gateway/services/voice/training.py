"""From an upload to a voice: kept durably first, made fit for the engine behind the answer, resumed after a crash.

Only its own recording fails a voice. Whatever else goes wrong is tried again, at longer and longer intervals.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio.to_thread
import structlog

from gateway.domain.errors import GatewayError
from gateway.domain.naming import new_voice_id
from gateway.domain.storage import StorageError
from gateway.domain.voice.ports import (
    Normaliser,
    Recordings,
    Reference,
    SpeechEngine,
    StreamBroken,
    VoiceRepository,
)
from gateway.domain.voice.reference import not_audio, recording_lost
from gateway.domain.voice.voice import Voice, VoiceFailure, VoiceStatus
from gateway.services.loops import forever

# The client repeats a request that met a socket error three times, five seconds apart, each up to 300 s long.
REPEAT_WINDOW = timedelta(minutes=20)
# Between two attempts to prepare a voice; each time twice as long.
FIRST_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 60.0
WATCH_SECONDS = 10.0
SHOWN = 5

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class NewVoice:
    """A received upload and the voice to make of it.

    Attributes:
        upload: the received file; it is moved away.
        upload_name: the client's name for it, safe for display.
        upload_sha256: digest of its content.
        size: number of its bytes.
    """

    device_id: str
    name: str
    prompt_text: str
    upload: Path
    upload_name: str
    upload_sha256: str
    size: int


class Training:
    """Prepares voices.

    Args:
        voices: the records of voices.
        files: of the voices.
        normaliser: makes references.
        engine: analyses new references ahead of the first synthesis, to make that quick.
        most_voices: limit per device.
        on_normalised: receives the seconds that each normalisation took.
    """

    def __init__(
        self,
        *,
        voices: VoiceRepository,
        files: Recordings,
        normaliser: Normaliser,
        engine: SpeechEngine,
        most_voices: int,
        on_normalised: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._voices = voices
        self._files = files
        self._normaliser = normaliser
        self._engine = engine
        self._most_voices = most_voices
        self._on_normalised = on_normalised
        self._running: dict[str, asyncio.Task[None]] = {}
        self._warming: dict[str, asyncio.Task[None]] = {}
        self._arriving: set[str] = set()
        self._refused: set[str] = set()

    async def start(self) -> None:
        """Clean up after the last run and resume its unfinished voices."""
        swept = await anyio.to_thread.run_sync(self._files.sweep, await self._voices.existing_ids())
        unfinished = await self._voices.unfinished()
        for voice in unfinished:
            self._begin(voice)
        if swept.removed or unfinished:
            log.info("voices recovered", leftovers=swept.removed, resumed=len(unfinished))
        if swept.unnamed:
            log.warning(
                "the database does not name some voices whose recordings are here; they are kept. Is it the right "
                "database? Bring their records over, or delete their folders",
                count=len(swept.unnamed),
                folder=str(self._files.voices),
                first=swept.unnamed[:SHOWN],
            )

    async def stop(self) -> None:
        """Cancel running preparation; the next start resumes it."""
        tasks = [*self._running.values(), *self._warming.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def train(self, new: NewVoice) -> Voice:
        """Record a voice and begin its preparation; a repeated request gets the voice of the first.

        Raises:
            GatewayError: ``reference_not_audio`` for an empty file, ``too_many_voices``.
            StorageError: nothing of the voice stays.
        """
        if new.size == 0:
            raise not_audio()
        now = datetime.now(UTC)
        wanted = Voice(
            id=new_voice_id(),
            device_id=new.device_id,
            name=new.name,
            status=VoiceStatus.PENDING,
            prompt_text=new.prompt_text,
            upload_name=new.upload_name,
            upload_sha256=new.upload_sha256,
            created_at=now,
            updated_at=now,
        )
        self._arriving.add(wanted.id)
        recorded: Voice | None = None
        try:
            # The file first: whatever the database names exists.
            await anyio.to_thread.run_sync(self._files.keep_upload, wanted.id, new.upload)
            recorded = await self._voices.add(wanted, repeat_window=REPEAT_WINDOW, most=self._most_voices)
        finally:
            self._arriving.discard(wanted.id)
            if recorded is not None and recorded.id == wanted.id:
                self._begin(recorded)
            else:
                await self._refuse(wanted.id)
        return recorded

    async def _refuse(self, voice_id: str) -> None:
        self._refused.add(voice_id)
        try:
            await anyio.to_thread.run_sync(self._files.delete, voice_id)
        except StorageError as error:
            log.warning("files of a refused voice stay for now", voice_id=voice_id, code=error.code)

    async def watch(self) -> None:
        """Look for voices that nobody works on, and for what refused ones left, until cancelled."""
        await forever("voices", self._look)

    async def _look(self) -> None:
        await asyncio.sleep(WATCH_SECONDS)
        await self.look()

    async def look(self) -> None:
        """Finish the removal of refused voices, and begin the preparation of voices that nobody prepares.

        Raises:
            StorageError: to be tried again.
        """
        for voice_id in sorted(self._refused):
            # Where the answer to the commit was lost, there may be a record.
            await self._voices.delete(voice_id, device_id=None)
            await anyio.to_thread.run_sync(self._files.delete, voice_id)
            self._refused.discard(voice_id)
        for voice in await self._voices.unfinished():
            self._begin(voice)

    def _begin(self, voice: Voice) -> None:
        if voice.id in self._running or voice.id in self._arriving or voice.id in self._refused:
            return
        task = asyncio.create_task(self._prepare(voice), name=f"prepare {voice.id}")
        self._running[voice.id] = task
        task.add_done_callback(lambda _: self._running.pop(voice.id, None))

    async def _prepare(self, voice: Voice) -> None:
        """Bring a voice to its end, however often the host gets in the way."""
        structlog.contextvars.bind_contextvars(voice_id=voice.id)
        pause = FIRST_RETRY_SECONDS
        while True:
            try:
                return await self._attempt(voice)
            except StorageError as error:
                log.warning("voice waits", code=error.code, cause=str(error.__cause__ or ""), seconds=pause)
            except Exception:
                log.exception("voice waits", seconds=pause)
            await asyncio.sleep(pause)
            pause = min(LONGEST_RETRY_SECONDS, 2 * pause)

    async def _attempt(self, voice: Voice) -> None:
        """Make the reference, or record why the recording gives none.

        Raises:
            StorageError: the host is at fault.
        """
        if not await self._voices.set_training(voice.id):
            return  # deleted meanwhile
        try:
            await anyio.to_thread.run_sync(self._files.settle, voice.id)
            await self._make_reference(voice)
        except StorageError:
            raise
        except GatewayError as error:
            await self._fail(voice, error)
        except FileNotFoundError:
            if self._files.upload(voice.id).exists():
                raise
            await self._fail(voice, recording_lost())

    async def _fail(self, voice: Voice, error: GatewayError) -> None:
        log.info("voice failed", code=error.code)
        await self._voices.set_failed(voice.id, VoiceFailure.of(error))

    async def _make_reference(self, voice: Voice) -> None:
        made = self._files.new_temporary()
        started = time.perf_counter()
        try:
            report = await self._normaliser.normalise(self._files.upload(voice.id), made)
            self._on_normalised(time.perf_counter() - started)
            digest = await anyio.to_thread.run_sync(self._files.keep_reference, voice.id, made)
        finally:
            await anyio.to_thread.run_sync(self._files.discard, made)
        await self._voices.set_ready(voice.id, reference_sha256=digest, report=report)
        log.info("voice ready", seconds=round(time.perf_counter() - started, 3), speech=report.speech_seconds)
        ready = await self._voices.get(voice.id, device_id=None)
        if ready is not None:
            self._warm(ready)

    def _warm(self, voice: Voice) -> None:
        task = asyncio.create_task(self._introduce(voice))
        self._warming[voice.id] = task
        task.add_done_callback(lambda _: self._warming.pop(voice.id, None))

    async def _introduce(self, voice: Voice) -> None:
        """Let the engine analyse the reference ahead of the first request, which does it itself if this fails."""
        if not self._engine.state.is_ready:
            return
        with suppress(GatewayError, StreamBroken):
            await self._engine.register(self.reference_of(voice))

    def reference_of(self, voice: Voice) -> Reference:
        """A ready voice's reference for the engine."""
        return Reference(self._files.reference(voice.id), voice.reference_sha256, voice.effective_prompt_text)

    async def stop_preparing(self, voice_id: str) -> None:
        """Nobody wants the voice any more; what is being done for it ends."""
        tasks = [known[voice_id] for known in (self._running, self._warming) if voice_id in known]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
