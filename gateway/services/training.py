"""From an upload to a voice: kept durably first, made fit for the engine behind the answer, resumed after a crash."""

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

from gateway.domain.errors import STORAGE_FULL, GatewayError, internal
from gateway.domain.naming import new_voice_id
from gateway.domain.reference import not_audio
from gateway.domain.voice import Failure, Voice, VoiceStatus
from gateway.infrastructure.audio import ReferenceNormaliser
from gateway.infrastructure.cosyvoice import CosyVoice, Reference, StreamBroken
from gateway.infrastructure.files import temporary_path
from gateway.infrastructure.voice_files import VoiceFiles
from gateway.infrastructure.voices import Voices

# The client repeats a request that met a socket error three times, five seconds apart, each up to 300 s long.
REPEAT_WINDOW = timedelta(minutes=20)
# How long a voice that the disk has no room for waits between two attempts.
ROOM_SECONDS = 5.0
SHOWN = 5

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class NewVoice:
    """A received upload and what it is to become.

    Attributes:
        upload: the received file; it is moved away.
        upload_name: the client's name for it, fit for display.
        upload_sha256: digest of its content.
        size: its bytes.
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
        voices: where voices are recorded.
        files: where their files lie.
        normaliser: makes references.
        engine: is told about new references, so that the first synthesis is quick.
        most_voices: per device.
        on_normalised: told the seconds that each normalisation took.
    """

    def __init__(
        self,
        *,
        voices: Voices,
        files: VoiceFiles,
        normaliser: ReferenceNormaliser,
        engine: CosyVoice,
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

    async def start(self) -> None:
        """Tidy up after the last run and finish what it left unfinished."""
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
        """Interrupt what runs; the next start finishes it."""
        tasks = [*self._running.values(), *self._warming.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def train(self, new: NewVoice) -> Voice:
        """Record a voice and begin its preparation; a repeated request gets the voice of the first.

        Raises:
            GatewayError: ``reference_not_audio`` for an empty file, ``too_many_voices``, ``storage_full``.
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
        # The file first: whatever the database names exists.
        await anyio.to_thread.run_sync(self._files.keep_upload, wanted.id, new.upload)
        recorded: Voice | None = None
        try:
            recorded = await self._voices.add(wanted, repeat_window=REPEAT_WINDOW, most=self._most_voices)
        finally:
            if recorded is None or recorded.id != wanted.id:
                await anyio.to_thread.run_sync(self._files.delete, wanted.id)
        if recorded.id == wanted.id:
            await anyio.to_thread.run_sync(self._files.settle, wanted.id)
            self._begin(recorded)
        return recorded

    def _begin(self, voice: Voice) -> None:
        task = asyncio.create_task(self._prepare(voice), name=f"prepare {voice.id}")
        self._running[voice.id] = task
        task.add_done_callback(lambda _: self._running.pop(voice.id, None))

    async def _prepare(self, voice: Voice) -> None:
        """Bring a voice to its end; what the disk has no room for waits until it has."""
        structlog.contextvars.bind_contextvars(voice_id=voice.id)
        while True:
            try:
                return await self._attempt(voice)
            except GatewayError as full:
                log.warning("voice waits for room on the disk", code=full.code)
                await asyncio.sleep(ROOM_SECONDS)

    async def _attempt(self, voice: Voice) -> None:
        """Make the reference, or record why there can be none.

        Raises:
            GatewayError: ``storage_full``, and nothing else.
        """
        try:
            await self._voices.set_training(voice.id)
            await self._make_reference(voice)
        except GatewayError as error:
            if error.code == STORAGE_FULL:
                raise
            log.info("voice failed", code=error.code)
            await self._voices.set_failed(voice.id, Failure.of(error))
        except Exception:
            log.exception("voice failed")
            await self._voices.set_failed(voice.id, Failure.of(internal()))

    async def _make_reference(self, voice: Voice) -> None:
        made = temporary_path(self._files.incoming)
        started = time.perf_counter()
        try:
            report = await self._normaliser.normalise(self._files.upload(voice.id), made)
            self._on_normalised(time.perf_counter() - started)
            digest = await anyio.to_thread.run_sync(self._files.keep_reference, voice.id, made)
        finally:
            made.unlink(missing_ok=True)
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
        """Let the engine analyse the reference ahead of the first request; that one does it if this can't."""
        if not self._engine.state.is_ready:
            return
        with suppress(GatewayError, StreamBroken):
            await self._engine.register(self.reference_of(voice))

    def reference_of(self, voice: Voice) -> Reference:
        """A ready voice's reference as the engine gets it."""
        return Reference(self._files.reference(voice.id), voice.reference_sha256, voice.effective_prompt_text)

    async def doom(self, voice_id: str) -> None:
        """To be called before a voice's record is deleted; ``forget`` follows."""
        await anyio.to_thread.run_sync(self._files.doom, voice_id)

    async def forget(self, voice: Voice) -> None:
        """Stop preparing a deleted voice and remove its files, the engine's copy included."""
        tasks = [known[voice.id] for known in (self._running, self._warming) if voice.id in known]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        copy = await self._engines_copy(voice)
        await anyio.to_thread.run_sync(self._files.delete, voice.id)
        if copy is not None:
            await self._engine.forget(copy)

    async def _engines_copy(self, voice: Voice) -> str | None:
        """The engine's copy of a deleted voice's reference; None where there is none, or others speak with it."""
        if not voice.reference_sha256:
            return None
        others = await self._voices.with_reference(voice.reference_sha256)
        if any(other.effective_prompt_text == voice.effective_prompt_text for other in others):
            return None
        try:
            return await self._engine.copy_name(self.reference_of(voice))
        except GatewayError:
            return None
