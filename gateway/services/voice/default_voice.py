"""The default voice: a recording that comes with the gateway, made a reference when it is first asked for."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from pathlib import Path

import anyio.to_thread
import structlog

from gateway.domain.storage import storage_errors
from gateway.domain.voice.default_voice import default_voice
from gateway.domain.voice.ports import Normaliser, Reference
from gateway.domain.voice.voice import Voice

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class Recording:
    """A recording that comes with the gateway.

    Attributes:
        path: the file.
        prompt_text: its exact transcript.
    """

    path: Path
    prompt_text: str


@dataclass(frozen=True)
class DefaultSpeaker:
    """The default voice and its reference."""

    voice: Voice
    reference: Reference


class DefaultVoice:
    """Makes the reference of the default voice, once, by the rules of every other voice.

    Args:
        recording: the voice's.
        folder: for the reference; created if missing.
        normaliser: makes references.
    """

    def __init__(self, recording: Recording, *, folder: Path, normaliser: Normaliser) -> None:
        self._recording = recording
        self._folder = folder
        self._normaliser = normaliser
        self._making = asyncio.Lock()
        self._made: DefaultSpeaker | None = None

    async def get(self) -> DefaultSpeaker:
        """The voice, ready to speak.

        Raises:
            GatewayError: ``reference_*``: this installation can't read its own recording.
            StorageError: the disk does not work; to be tried again.
        """
        async with self._making:
            if self._made is None:
                self._made = await self._make()
            return self._made

    async def _make(self) -> DefaultSpeaker:
        with storage_errors():
            await anyio.to_thread.run_sync(lambda: self._folder.mkdir(parents=True, exist_ok=True))
        upload = self._folder / "recording"
        target = self._folder / "reference.wav"
        recorded = await anyio.to_thread.run_sync(_copy, self._recording.path, upload)
        report = await self._normaliser.normalise(upload, target)
        digest = await anyio.to_thread.run_sync(_digest, target)
        voice = default_voice(
            prompt_text=self._recording.prompt_text,
            recording_sha256=recorded,
            reference_sha256=digest,
            report=report,
        )
        log.info("default voice ready", speech=report.speech_seconds)
        return DefaultSpeaker(voice, Reference(target, digest, voice.effective_prompt_text))


def _copy(source: Path, target: Path) -> str:
    """Copy a recording to where the normaliser takes it from; returns the digest of its content."""
    with storage_errors():
        content = source.read_bytes()
        target.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def _digest(path: Path) -> str:
    with storage_errors():
        return hashlib.sha256(path.read_bytes()).hexdigest()
