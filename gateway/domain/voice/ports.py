"""The ports of the voice entry's services: a speech engine, stores and audio tools.

Adapters live in ``gateway.infrastructure.voice``; the entry's state picks them. A second engine is a second
``SpeechEngine``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from gateway.domain.voice.engine import SpeechEngineState
from gateway.domain.voice.speech import AudioFormat, SpeechOrder, StoredSpeech
from gateway.domain.voice.voice import ReferenceReport, Voice, VoiceFailure


class StreamBroken(Exception):  # noqa: N818 - an event between two layers, not shown to anybody
    """The engine's answer ended before its end."""


class EncodingFailed(Exception):  # noqa: N818 - an event between two layers, not shown to anybody
    """The encoder ended before it had written everything."""


@dataclass(frozen=True)
class Reference:
    """A voice's reference audio for the engine.

    Attributes:
        path: the WAV file.
        sha256: digest of its content.
        prompt_text: its transcript; empty if unknown.
    """

    path: Path
    sha256: str
    prompt_text: str


class EngineAudio(Protocol):
    """An answer of the engine: 16-bit little-endian mono PCM, read with ``async for`` as it is made.

    Reading raises ``StreamBroken`` where the answer ends early.
    """

    @property
    def sample_rate(self) -> int:
        """Hz; known before the first sample."""

    @property
    def model(self) -> str:
        """The model that speaks."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The samples, in pieces of any size."""

    def close(self) -> None:
        """Release the answer; before its end this makes the engine stop."""


class SpeechEngine(Protocol):
    """A text-to-speech engine that clones a voice from a reference."""

    @property
    def state(self) -> SpeechEngineState:
        """The latest known state of the engine: status, model, sample rate, supported modes."""

    def require_ready(self) -> None:
        """Require that synthesis can work.

        Raises:
            GatewayError: the state as a sentence; temporary.
        """

    async def speak(self, order: SpeechOrder, reference: Reference, *, stream: bool) -> EngineAudio:
        """Have an order spoken; the caller closes the answer.

        Args:
            order: text and manner; format and sample rate do not concern the engine.
            reference: the voice's reference audio.
            stream: the first samples as early as possible, instead of the whole with the least work.

        Raises:
            GatewayError: the engine rejected it, is not ready, or can't be reached.
            StreamBroken: it disconnected before the first sample.
        """

    async def register(self, reference: Reference) -> str | None:
        """Have a reference analysed ahead of the first request; the engine's name for its copy, None: it keeps none.

        Raises:
            GatewayError: the engine refused the reference or can't be reached.
            StreamBroken: it disconnected.
        """

    async def copy_name(self, reference: Reference) -> str:
        """The engine's name for its copy of a reference, computed without a request to it.

        Raises:
            GatewayError: ``voice_not_found``: the file no longer exists.
        """

    async def forget(self, name: str) -> None:
        """Have the engine delete its copy of a reference, if it has one and can be reached."""


class VoiceRepository(Protocol):
    """The voices of all devices. Every method raises ``StorageError`` while the database does not work."""

    async def add(self, voice: Voice, *, repeat_window: timedelta, most: int) -> Voice:
        """Store a new voice, or return the one that the same upload made within the window.

        Raises:
            GatewayError: ``too_many_voices``.
            StorageError: the voice may be recorded all the same, where the answer to the commit was lost.
        """

    async def get(self, voice_id: str, *, device_id: str | None) -> Voice | None:
        """One voice of a device; ``device_id`` None: of any."""

    async def unfinished(self) -> list[Voice]:
        """Voices whose preparation was interrupted, oldest first."""

    async def existing_ids(self) -> set[str]:
        """The ids of all voices."""

    async def with_reference(self, sha256: str) -> list[Voice]:
        """The voices of all devices that have this reference."""

    async def delete(self, voice_id: str, *, device_id: str | None) -> bool:
        """Delete a device's voice (None: any device's); whether there was one."""

    async def set_training(self, voice_id: str) -> bool:
        """Preparation has begun; whether there is such a voice."""

    async def set_ready(self, voice_id: str, *, reference_sha256: str, report: ReferenceReport) -> None:
        """Record that the reference is in place."""

    async def set_failed(self, voice_id: str, failure: VoiceFailure) -> None:
        """Record why no reference can be made of the upload."""


@dataclass(frozen=True)
class Swept:
    """The result of the check of the recordings at a start.

    Attributes:
        removed: leftovers of a crash that were deleted.
        unnamed: voices with complete files that are not in the database; they were kept.
    """

    removed: int
    unnamed: tuple[str, ...]


class Recordings(Protocol):
    """The files of voices: the upload and the reference of each. Blocking calls; run them in a thread."""

    @property
    def voices(self) -> Path:
        """The folder of all voices, for messages to the administrator."""

    def new_temporary(self) -> Path:
        """A path for a file being made."""

    def upload(self, voice_id: str) -> Path:
        """The original upload."""

    def reference(self, voice_id: str) -> Path:
        """The reference for the engine; exists once the voice is ready."""

    def keep_upload(self, voice_id: str, received: Path) -> None:
        """Move a received file to its place, durably; ``settle`` follows once the voice is recorded.

        Raises:
            StorageError: what is there already is the caller's to delete.
        """

    def settle(self, voice_id: str) -> None:
        """The database names the voice now.

        Raises:
            FileNotFoundError: the voice has no files.
            StorageError: to be tried again.
        """

    def mark_for_deletion(self, voice_id: str) -> None:
        """Note that the record is about to be deleted: files that outlive it are deleted at the next start."""

    def keep_reference(self, voice_id: str, made: Path) -> str:
        """Move a finished reference to its place, durably; returns the digest of its content.

        Raises:
            StorageError: the reference is not in its place.
        """

    def delete(self, voice_id: str) -> None:
        """Remove all files of a voice.

        Raises:
            StorageError: some are still there.
        """

    def discard(self, temporary: Path) -> None:
        """Delete a file being made, unless it was moved to its place."""

    def sweep(self, known: set[str]) -> Swept:
        """Delete what a crash left; ``known`` are the voices that the database names."""


@dataclass(frozen=True)
class ArchivedVoice:
    """The metadata of an archive, and the upload that was extracted from it.

    Attributes:
        upload: our own file, under a temporary name.
        sha256: digest of its content.
        size: number of its bytes.
    """

    name: str
    prompt_text: str
    upload_name: str
    upload: Path
    sha256: str
    size: int


@dataclass(frozen=True)
class ArchiveStream:
    """An archive that is being made.

    Attributes:
        size: bytes of the whole.
        blocks: reading them blocks.
        close: closes the files that they come from.
    """

    size: int
    blocks: Iterator[bytes]
    close: Callable[[], None]


class Archives(Protocol):
    """Voices as files that another host accepts. Blocking calls; run them in a thread."""

    def stream(self, voice: Voice, *, upload: Path, reference: Path) -> ArchiveStream:
        """A voice's archive, made while it is read; the caller closes it.

        Raises:
            GatewayError: ``voice_not_found``.
            StorageError: a file can't be opened.
        """

    def read(self, source: Path, target: Path) -> ArchivedVoice:
        """Extract the upload of an archive to ``target``.

        Raises:
            GatewayError: ``invalid_archive``, ``body_too_large``.
            StorageError: the disk is full, broken or read-only.
        """


class Normaliser(Protocol):
    """Makes a reference of an upload."""

    async def normalise(self, upload: Path, target: Path) -> ReferenceReport:
        """Write the reference of an upload to ``target``.

        Raises:
            FileNotFoundError: the upload is gone.
            GatewayError: ``reference_*`` where none can be made.
            StorageError: the disk does not work, or the system has no process left.
        """


class Encoding(Protocol):
    """A running encoder."""

    def encode(self, pcm: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
        """PCM in the encoder's format, piece by piece; call it once, and close what it returns.

        Raises:
            EncodingFailed: the encoder stopped early.
            Exception: whatever the source raises, after what was encoded until then.
        """

    def finished_head(self) -> bytes | None:
        """The first bytes of the whole file, in place of as many of the stream; None where they are the same."""


class Encoder(Protocol):
    """Turns PCM into other formats."""

    def start(
        self, audio_format: AudioFormat, sample_rate: int, *, target_rate: int = 0
    ) -> AbstractAsyncContextManager[Encoding]:
        """A running encoder; it is stopped when the context is left.

        Args:
            audio_format: of the output.
            sample_rate: Hz of the input.
            target_rate: Hz of the output; 0: the format's usual one.
        """


class GrowingFile(Protocol):
    """A file that one producer writes and any number of followers read at the same time.

    What is not on the disk yet is read from memory, which holds at most a few hundred KiB. It is open until its maker
    has closed it and nobody holds it any more.
    """

    @property
    def path(self) -> Path:
        """Its path until it is published."""

    @property
    def size(self) -> int:
        """Bytes written so far."""

    async def write(self, data: bytes) -> None:
        """Append, and wake the followers.

        Raises:
            StorageError: the disk is full, broken or read-only.
        """

    async def finish(self, head: bytes | None = None) -> None:
        """End the file; ``head`` replaces the first bytes on the disk.

        Raises:
            StorageError: followers still get everything.
        """

    def fail(self, error: Exception) -> None:
        """End the file with an error, which followers get after what was written. Does nothing after ``finish``."""

    async def read(self, offset: int) -> bytes:
        """The data from ``offset`` on, at least one byte; waits for it. Empty at the end of a finished file.

        Raises:
            Exception: the error that the file failed with.
        """

    def held(self) -> AbstractContextManager[None]:
        """Keep it readable within the context.

        Raises:
            ValueError: it is closed already.
        """

    def close(self) -> None:
        """Its maker needs it no more; may be called again."""

    def discard(self) -> None:
        """Delete the file unless it was published, and close it; who holds it can still read it."""


class SpeechStore(Protocol):
    """Finished speech, found again by its order's fingerprint."""

    def begin(self) -> GrowingFile:
        """A new file in the store, not visible until ``put``; the caller discards it in the end.

        Raises:
            StorageError: the reserve would be used.
        """

    async def put(self, made: GrowingFile, finished: StoredSpeech) -> None:
        """Publish a finished file; it replaces an earlier one of the same order.

        Raises:
            StorageError: the disk is full, broken or read-only.
        """

    async def find(self, fingerprint: str, *, model: str) -> StoredSpeech | None:
        """The finished speech of an order, marked as used; an empty ``model`` matches any."""

    async def open_finished(self, finished: StoredSpeech) -> GrowingFile | None:
        """A finished file, to be followed like one that grows, and closed; None: it was deleted just now."""

    def path_of(self, filename: str) -> Path | None:
        """The file of that name, if it is one of the store's."""

    async def forget_voice(self, voice_id: str) -> None:
        """Delete all speech of a voice."""

    async def expire(self, *, max_age: timedelta, max_bytes: int) -> int:
        """Delete what is too old or over the limit; returns the number of files."""

    async def sweep(self) -> int:
        """Delete unused files that are not in the index; returns their number."""

    def serving(self, filename: str) -> AbstractContextManager[None]:
        """Keep a file from being deleted while it is sent."""
