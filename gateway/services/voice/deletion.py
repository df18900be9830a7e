"""Deletes voices: once the record is gone, all that belongs to the voice goes too, whatever the host does meanwhile."""

from __future__ import annotations

import asyncio

import anyio.to_thread
import structlog

from gateway.domain.errors import GatewayError
from gateway.domain.storage import StorageError
from gateway.domain.voice.ports import Recordings, SpeechEngine, VoiceRepository
from gateway.domain.voice.voice import Voice
from gateway.services.loops import forever
from gateway.services.voice.synthesis import Synthesis
from gateway.services.voice.training import Training

WATCH_SECONDS = 10.0

log = structlog.stdlib.get_logger(__name__)


class Deletion:
    """Deletes voices with their files, their speech, and the engine's copy of their reference.

    Args:
        voices: where voices are recorded.
        files: where their files lie.
        engine: may have a copy of the reference.
        training: may be preparing the voice.
        synthesis: may be speaking with it.
    """

    def __init__(
        self,
        *,
        voices: VoiceRepository,
        files: Recordings,
        engine: SpeechEngine,
        training: Training,
        synthesis: Synthesis,
    ) -> None:
        self._voices = voices
        self._files = files
        self._engine = engine
        self._training = training
        self._synthesis = synthesis
        self._unfinished: dict[str, Voice] = {}

    async def delete(self, voice: Voice) -> None:
        """Delete a voice; once this returns it is gone, though some of its files may take a little longer.

        Raises:
            StorageError: the voice is as it was.
        """
        await anyio.to_thread.run_sync(self._files.mark_for_deletion, voice.id)
        await self._voices.delete(voice.id, device_id=voice.device_id)
        self._unfinished[voice.id] = voice
        try:
            await self._finish(voice)
        except StorageError as error:
            log.warning("deletion to be finished later", voice_id=voice.id, code=error.code)

    async def watch(self) -> None:
        """Finish what could not be deleted at once, until cancelled; after a restart the start itself does."""
        await forever("deletions", self._look)

    async def _look(self) -> None:
        await asyncio.sleep(WATCH_SECONDS)
        for voice in list(self._unfinished.values()):
            await self._finish(voice)

    async def _finish(self, voice: Voice) -> None:
        await self._training.stop_preparing(voice.id)
        copy = await self._engines_copy(voice)
        await self._synthesis.forget_voice(voice.id)
        await anyio.to_thread.run_sync(self._files.delete, voice.id)
        if copy is not None:
            await self._engine.forget(copy)
        self._unfinished.pop(voice.id, None)

    async def _engines_copy(self, voice: Voice) -> str | None:
        """The engine's copy of a deleted voice's reference; None where there is none, or others speak with it."""
        if not voice.reference_sha256:
            return None
        others = await self._voices.with_reference(voice.reference_sha256)
        if any(other.effective_prompt_text == voice.effective_prompt_text for other in others):
            return None
        try:
            return await self._engine.copy_name(self._training.reference_of(voice))
        except GatewayError:
            return None
