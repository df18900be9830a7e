"""From an order to speech: found in the store, joined where it is being made, or made now, through the fair queue."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import anyio.to_thread
import structlog

from gateway.domain.engine import broken_stream, mode_not_supported, still_working
from gateway.domain.errors import GatewayError, internal, shutting_down
from gateway.domain.naming import new_file_token
from gateway.domain.speech import AudioFormat, SpeechMode, SpeechOrder, StoredSpeech
from gateway.domain.voice import voice_not_found
from gateway.domain.wav import HEADER_BYTES, SAMPLE_BYTES, wav_header
from gateway.infrastructure.audio import EncodingFailed, encode, encoder
from gateway.infrastructure.cosyvoice import CosyVoice, EngineAudio, Reference, StreamBroken
from gateway.infrastructure.files import disk_full_is_507, require_free_space
from gateway.infrastructure.speech import SpeechStore
from gateway.services.queue import FairQueue, Slot

WRITE_BLOCK = 1 << 18
READ_BLOCK = 1 << 18
ATTEMPTS = 2
FALLBACK_RATE = 24000  # only until the engine's own is known; the encoder is started again then
ENGINE_MODES = {SpeechMode.INSTRUCT: "instruct2"}

log = structlog.stdlib.get_logger(__name__)


class SynthesisMetrics(Protocol):
    """What synthesis tells about itself."""

    def waited(self, seconds: float) -> None:
        """A request got its slot after so long."""

    def first_audio(self, seconds: float) -> None:
        """The engine's first sample came so long after the slot."""

    def finished(self, *, took: float, seconds: float) -> None:
        """``seconds`` of speech took ``took`` seconds."""

    def found(self, how: str) -> None:
        """An order was ``stored``, ``joined`` or ``made``."""


@dataclass(frozen=True)
class Rules:
    """Bounds of synthesis.

    Attributes:
        max_seconds: longest speech of one order.
        answer_seconds: how long a caller waits before it is told to ask again.
        reserve_bytes: bytes that stay free on the disk.
    """

    max_seconds: float
    answer_seconds: float
    reserve_bytes: int


@dataclass(frozen=True)
class Speaker:
    """Who asks, and with which voice's reference."""

    device_id: str
    reference: Reference


@dataclass(frozen=True)
class _Live:
    """An answer of the engine whose first samples are there."""

    audio: EngineAudio
    first: bytes
    started: float


class _Stream:
    """The current task, as one that somebody else may have to stop."""

    def __init__(self) -> None:
        self._task = asyncio.current_task()
        self._stopped = False

    def stop(self) -> None:
        """Interrupt what it waits for."""
        if self._task is not None and not self._stopped:
            self._stopped = True
            self._task.cancel()

    def was_stopped(self) -> bool:
        """Whether that is why it was cancelled; it may go on then."""
        return self._stopped and self._task is not None and self._task.uncancel() == 0


class Synthesis:
    """Makes speech.

    Args:
        engine: who speaks.
        store: where finished speech lies.
        queue: slots at the engine.
        metrics: told what happens.
        rules: bounds.
    """

    def __init__(
        self, *, engine: CosyVoice, store: SpeechStore, queue: FairQueue, metrics: SynthesisMetrics, rules: Rules
    ) -> None:
        self._engine = engine
        self._store = store
        self._queue = queue
        self._metrics = metrics
        self._rules = rules
        self._running: dict[str, asyncio.Task[StoredSpeech]] = {}
        self._voices: dict[str, str] = {}
        self._streams: dict[str, set[_Stream]] = {}
        self._stopping = False

    async def forget_voice(self, voice_id: str) -> None:
        """Stop speaking with a deleted voice, and delete what it said."""
        for stream in self._streams.get(voice_id, ()):
            stream.stop()
        tasks = [self._running[key] for key, speaking in self._voices.items() if speaking == voice_id]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._store.forget_voice(voice_id)

    async def stop(self) -> None:
        """Abandon what runs; nothing half-made stays visible."""
        self._stopping = True
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # Whole files

    async def stored(self, order: SpeechOrder) -> StoredSpeech | None:
        """The finished speech of an order, if there is any."""
        engine = self._engine.state
        if order.sample_rate == engine.sample_rate:
            order = order.at_engine_rate()
        return await self._store.find(order.fingerprint, model=engine.model)

    async def make(self, order: SpeechOrder, speaker: Speaker) -> StoredSpeech:
        """The finished speech of an order. A caller who leaves does not stop the work: it will ask again.

        Raises:
            GatewayError: 503 while the engine can't work, is full, or has not finished in time; 502 where it broke;
                404 once the voice is deleted.
        """
        running = self._running.get(order.fingerprint)
        if running is None:
            found = await self.stored(order)
            if found is not None:
                self._metrics.found("stored")
                return found
            running = self._running.get(order.fingerprint)
        if running is None:
            self._engine.require_ready()
            self._require_mode(order)
            running = self._begin(order, speaker)
            self._metrics.found("made")
        else:
            self._metrics.found("joined")
        try:
            async with asyncio.timeout(self._rules.answer_seconds):
                return await asyncio.shield(running)
        except TimeoutError:
            raise still_working() from None
        except asyncio.CancelledError:
            if running.cancelled():
                raise (shutting_down() if self._stopping else voice_not_found()) from None
            raise

    def _begin(self, order: SpeechOrder, speaker: Speaker) -> asyncio.Task[StoredSpeech]:
        task = asyncio.create_task(self._make(order, speaker), name=f"speak {order.fingerprint[:12]}")
        self._running[order.fingerprint] = task
        self._voices[order.fingerprint] = order.voice_id
        task.add_done_callback(lambda done: self._ended(order.fingerprint, done))
        return task

    def _ended(self, fingerprint: str, task: asyncio.Task[StoredSpeech]) -> None:
        self._running.pop(fingerprint, None)
        self._voices.pop(fingerprint, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            # Looked at here, because every caller may have left.
            code = error.code if isinstance(error, GatewayError) else repr(error)
            log.info("synthesis failed", fingerprint=fingerprint[:12], code=code)

    def _require_mode(self, order: SpeechOrder) -> None:
        modes = self._engine.state.modes
        wanted = ENGINE_MODES.get(order.mode, order.mode.value)
        if modes and wanted not in modes:
            raise mode_not_supported(order.mode.value)

    async def _make(self, order: SpeechOrder, speaker: Speaker) -> StoredSpeech:
        if order.audio_format is not AudioFormat.WAV:
            return await self._encode(order, await self.make(order.as_wav(), speaker))
        require_free_space(self._store.folder, HEADER_BYTES, reserve=self._rules.reserve_bytes)
        async with self._queue.slot(speaker.device_id) as slot:
            self._metrics.waited(slot.waited)
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    return await self._once(order, speaker)
                except StreamBroken as error:
                    log.warning("engine broke off", attempt=attempt, error=str(error))
        raise broken_stream()

    async def _once(self, order: SpeechOrder, speaker: Speaker) -> StoredSpeech:
        temporary = self._store.new_temporary()
        started = time.monotonic()
        try:
            with await self._engine.speak(order, speaker.reference, stream=False) as audio:
                written = await self._write(audio, temporary, started)
            finished = _finished(order, audio.model, written + HEADER_BYTES, written / SAMPLE_BYTES / audio.sample_rate)
            self._metrics.finished(took=time.monotonic() - started, seconds=finished.seconds)
            await self._store.put(temporary, finished)
        finally:
            temporary.unlink(missing_ok=True)
        return finished

    async def _write(self, audio: EngineAudio, temporary: Path, started: float) -> int:
        """Write a whole answer as a WAV; returns the bytes of samples.

        Raises:
            StreamBroken: it was cut, empty, or ends within a sample.
        """
        limit = math.ceil(self._rules.max_seconds * audio.sample_rate) * SAMPLE_BYTES
        written = 0
        pending: list[bytes] = []
        # Around the whole: closing a file writes what is left, and may fail like any write.
        with disk_full_is_507(), temporary.open("xb") as file:
            await anyio.to_thread.run_sync(_write_all, file, [wav_header(sample_rate=audio.sample_rate, data_bytes=0)])
            async for chunk in audio:
                if not written:
                    self._metrics.first_audio(time.monotonic() - started)
                written += len(chunk)
                pending.append(chunk)
                if written > limit:
                    raise too_much_audio()
                if sum(map(len, pending)) >= WRITE_BLOCK:
                    await anyio.to_thread.run_sync(_write_all, file, pending)
                    pending = []
            if written == 0 or written % SAMPLE_BYTES:
                raise StreamBroken(f"{written} bytes are no whole answer")
            header = wav_header(sample_rate=audio.sample_rate, data_bytes=written)
            await anyio.to_thread.run_sync(_finish_file, file, pending, header)
        return written

    async def _encode(self, order: SpeechOrder, source: StoredSpeech) -> StoredSpeech:
        """The stored WAV in another format."""
        path = self._store.folder / source.filename
        rate = await anyio.to_thread.run_sync(_rate_of, path)
        temporary = self._store.new_temporary()
        size = 0
        try:
            with disk_full_is_507(), self._store.serving(source.filename), temporary.open("xb") as file:
                async for chunk in encoded(order.audio_format, rate, read_pcm(path)):
                    size += len(chunk)
                    await anyio.to_thread.run_sync(_write_all, file, [chunk])
            finished = _finished(order, source.model, size, source.seconds)
            await self._store.put(temporary, finished)
        finally:
            temporary.unlink(missing_ok=True)
        return finished

    # Streams

    @asynccontextmanager
    async def live(self, order: SpeechOrder, speaker: Speaker) -> AsyncIterator[AsyncIterator[bytes]]:
        """Speech in its format as it is made, the engine's first samples there; leaving frees the engine.

        The pieces raise ``StreamBroken`` where the engine breaks off.

        Raises:
            GatewayError: as ``make``, before anything was given out; ``voice_not_found`` once the voice is deleted.
        """
        self._engine.require_ready()
        self._require_mode(order)
        with self._stoppable(order.voice_id):
            async with self._queue.slot(speaker.device_id) as slot, AsyncExitStack() as stack:
                self._metrics.waited(slot.waited)
                # The encoder starts while the engine thinks, so that it is there when the first samples are.
                expected = self._engine.state.sample_rate or FALLBACK_RATE
                encoding = await self._start_encoder(order, expected, stack)
                live = await self._first_samples(order, speaker)
                stack.enter_context(live.audio)
                rate = live.audio.sample_rate
                if rate != expected:
                    encoding = await self._start_encoder(order, rate, stack)
                pcm = self._samples(live, slot)
                if encoding is not None:
                    yield encode(encoding, pcm)
                else:
                    yield pcm if order.audio_format is AudioFormat.PCM else _with_header(pcm, rate)

    @contextmanager
    def _stoppable(self, voice_id: str) -> Iterator[None]:
        """A stream that ends when its voice is deleted, with ``voice_not_found``."""
        stream = _Stream()
        streams = self._streams.setdefault(voice_id, set())
        streams.add(stream)
        try:
            yield
        except asyncio.CancelledError:
            if stream.was_stopped():
                raise voice_not_found() from None
            raise
        finally:
            streams.discard(stream)
            if not streams:
                self._streams.pop(voice_id, None)

    @staticmethod
    async def _start_encoder(order: SpeechOrder, rate: int, stack: AsyncExitStack) -> asyncio.subprocess.Process | None:
        """What turns the engine's samples into the order's format; None: nothing has to."""
        if order.audio_format is AudioFormat.WAV:
            return None
        if order.audio_format is AudioFormat.PCM and order.sample_rate in (0, rate):
            return None
        return await stack.enter_async_context(encoder(order.audio_format, rate, target_rate=order.sample_rate))

    async def _first_samples(self, order: SpeechOrder, speaker: Speaker) -> _Live:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._first_sample(order, speaker)
            except StreamBroken as error:
                log.warning("engine broke off", attempt=attempt, error=str(error))
        raise broken_stream()

    async def _first_sample(self, order: SpeechOrder, speaker: Speaker) -> _Live:
        started = time.monotonic()
        # The model ignores speed while it streams: then its segments are the pieces.
        audio = await self._engine.speak(order, speaker.reference, stream=order.speed == 1.0)
        try:
            first = await _first(audio)
        except BaseException:
            audio.close()
            raise
        self._metrics.first_audio(time.monotonic() - started)
        return _Live(audio, first, started)

    async def _samples(self, live: _Live, slot: Slot) -> AsyncIterator[bytes]:
        rate = live.audio.sample_rate
        limit = math.ceil(self._rules.max_seconds * rate) * SAMPLE_BYTES
        given = len(live.first)
        yield live.first
        async for chunk in live.audio:
            given += len(chunk)
            if given > limit:
                raise StreamBroken("more sound than one request may have")
            yield chunk
        # The engine is free, however long the encoder and the client take for the rest.
        slot.leave()
        self._metrics.finished(took=time.monotonic() - live.started, seconds=given / SAMPLE_BYTES / rate)


async def _first(audio: EngineAudio) -> bytes:
    async for chunk in audio:
        return chunk
    raise StreamBroken("no sound")


async def _with_header(pcm: AsyncIterator[bytes], rate: int) -> AsyncIterator[bytes]:
    """WAV: the header leaves with the first samples."""
    head = wav_header(sample_rate=rate, data_bytes=None)
    async for chunk in pcm:
        yield head + chunk if head else chunk
        head = b""


def too_much_audio() -> GatewayError:
    """The engine does not stop speaking."""
    return GatewayError(
        "engine_endless",
        502,
        zh="语音引擎输出异常（时长超限），请更换文本后重试。",
        en="The engine did not stop speaking. Try another text.",
    )


def _finished(order: SpeechOrder, model: str, size: int, seconds: float) -> StoredSpeech:
    return StoredSpeech(
        fingerprint=order.fingerprint,
        token=new_file_token(),
        voice_id=order.voice_id,
        model=model,
        size=size,
        seconds=seconds,
        audio_format=order.audio_format,
    )


def _write_all(file: BinaryIO, blocks: list[bytes]) -> None:
    file.writelines(blocks)
    file.flush()


def _finish_file(file: BinaryIO, blocks: list[bytes], header: bytes) -> None:
    file.writelines(blocks)
    file.seek(0)
    file.write(header)
    file.flush()


def _rate_of(path: Path) -> int:
    with path.open("rb") as file:
        return int.from_bytes(file.read(HEADER_BYTES)[24:28], "little")


async def read_pcm(path: Path) -> AsyncIterator[bytes]:
    """The samples of one of our own WAV files."""
    async with await anyio.open_file(path, "rb") as file:
        await file.seek(HEADER_BYTES)
        while block := await file.read(READ_BLOCK):
            yield block


async def encoded(audio_format: AudioFormat, sample_rate: int, pcm: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """PCM in any of the formats but WAV, piece by piece.

    Raises:
        GatewayError: the encoder broke off.
    """
    if audio_format is AudioFormat.PCM:
        async for chunk in pcm:
            yield chunk
        return
    try:
        async with encoder(audio_format, sample_rate) as process:
            async for chunk in encode(process, pcm):
                yield chunk
    except EncodingFailed as error:
        raise internal() from error
