"""Makes an order with the engine: through the fair queue, into a file that grows, at the engine's own rate."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Protocol

import structlog

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.naming import new_file_token
from gateway.domain.usage import Work
from gateway.domain.voice.engine import broken_stream
from gateway.domain.voice.ports import EngineAudio, Reference, SpeechEngine, SpeechStore, StreamBroken
from gateway.domain.voice.speech import SpeechOrder, StoredSpeech
from gateway.domain.voice.spoken.length import LengthDoubt
from gateway.domain.voice.wav import SAMPLE_BYTES, wav_header
from gateway.services.usage import Usage
from gateway.services.voice.lengths import LengthCheck, LengthDoubted, LengthWatch
from gateway.services.voice.production import Making, Production
from gateway.services.voice.queue import FairQueue, Slot
from gateway.services.voice.speaking import speak

ATTEMPTS = 2

log = structlog.stdlib.get_logger(__name__)


class SynthesisMetrics(Protocol):
    """Metrics of synthesis."""

    def waited(self, seconds: float) -> None:
        """Observe the seconds that an order waited for its slot."""

    def first_audio(self, seconds: float) -> None:
        """Observe the time from the slot to the engine's first sample, in seconds."""

    def finished(self, *, took: float, seconds: float) -> None:
        """Observe that ``seconds`` of speech took ``took`` seconds."""

    def found(self, how: str) -> None:
        """Count an order that was ``stored``, ``joined`` or ``made``."""

    def doubted(self, doubt: str, *, outcome: str) -> None:
        """Count speech of an unlikely length, which was ``repeated`` or ``kept``."""


@dataclass(frozen=True)
class Speaker:
    """Who asks, with which voice's reference and on which API key's account (empty: none)."""

    device_id: str
    reference: Reference
    key_id: str = ""


class SpeechProducer:
    """Makes speech with the engine.

    Args:
        engine: makes the speech.
        store: for the speech.
        queue: slots at the engine.
        metrics: of synthesis.
        usage: each key's work.
        max_seconds: longest speech of one order.
        lengths: whether speech is as long as its text lets expect.
    """

    def __init__(
        self,
        *,
        engine: SpeechEngine,
        store: SpeechStore,
        queue: FairQueue,
        metrics: SynthesisMetrics,
        usage: Usage,
        max_seconds: float,
        lengths: LengthCheck,
    ) -> None:
        self._engine = engine
        self._store = store
        self._queue = queue
        self._metrics = metrics
        self._usage = usage
        self._max_seconds = max_seconds
        self._lengths = lengths

    async def make(self, order: SpeechOrder, speaker: Speaker, production: Production, *, stream: bool) -> StoredSpeech:
        """Make an order, as a WAV; again if the engine stopped early, and once more if the length is unlikely.

        Raises:
            GatewayError: the engine can't work, is full or stopped early twice; the disk is full.
        """
        async with self._queue.slot(speaker.device_id) as slot:
            self._metrics.waited(slot.waited)
            production.at_work()
            broken = doubted = 0
            while broken < ATTEMPTS:
                final = doubted > 0
                try:
                    return await self._attempt(order, speaker, production, slot, stream=stream, final=final)
                except LengthDoubted as error:
                    production.break_off(error)
                    doubted += 1
                    self._metrics.doubted(error.doubt, outcome="repeated")
                except StreamBroken as error:
                    production.break_off(error)
                    broken += 1
                    log.warning("engine broke off", attempt=broken, error=str(error))
        raise broken_stream()

    async def _attempt(
        self,
        order: SpeechOrder,
        speaker: Speaker,
        production: Production,
        slot: Slot,
        *,
        stream: bool,
        final: bool,
    ) -> StoredSpeech:
        file = self._store.begin()
        started = time.monotonic()
        try:
            audio = await speak(self._engine, order, speaker.reference, stream=stream)
            making = Making(file, audio.sample_rate, audio.model, 2 if final else 1)
            watch = self._lengths.watch(order, making.sample_rate, lambda: not (final or production.is_streamed))
            try:
                samples = await self._write(audio, making, production, started, watch)
            finally:
                audio.close()
            seconds = samples / SAMPLE_BYTES / making.sample_rate
            doubt = watch.end(seconds)
            slot.leave()
            self._metrics.finished(took=time.monotonic() - started, seconds=seconds)
            self._usage.add(speaker.key_id, Work.SPEECH_SECONDS, seconds)
            # It is complete, and so stored, even without followers.
            production.keep()
            await file.finish(wav_header(sample_rate=making.sample_rate, data_bytes=samples))
            finished = stored_speech(order, making, seconds, doubt)
            await self._store.put(file, finished)
        except Exception as error:
            file.fail(error)
            raise
        finally:
            file.discard()
        if doubt is not None:
            self._metrics.doubted(doubt, outcome="kept")
        return finished

    async def _write(
        self, audio: EngineAudio, making: Making, production: Production, started: float, watch: LengthWatch
    ) -> int:
        """Write an answer of the engine; returns the number of bytes of its samples.

        Raises:
            GatewayError: ``engine_endless``, ``storage_full``.
            StreamBroken: the answer was cut, is empty, or ends within a sample.
            LengthDoubted: it is far too long already, and can be made again.
        """
        limit = math.ceil(self._max_seconds * making.sample_rate) * SAMPLE_BYTES
        file, samples = making.file, 0
        await file.write(wav_header(sample_rate=making.sample_rate, data_bytes=0))
        production.begin(making)
        async for chunk in audio:
            if not samples:
                self._metrics.first_audio(time.monotonic() - started)
            samples += len(chunk)
            if samples > limit:
                raise too_much_audio()
            watch.progress(samples)
            await file.write(chunk)
        if samples == 0 or samples % SAMPLE_BYTES:
            raise StreamBroken(f"{samples} bytes are not a complete answer")
        return samples


def stored_speech(order: SpeechOrder, making: Making, seconds: float, doubt: LengthDoubt | None) -> StoredSpeech:
    """The record of an order whose file is complete."""
    return StoredSpeech(
        fingerprint=order.fingerprint,
        token=new_file_token(),
        voice_id=order.voice_id,
        model=making.model,
        size=making.file.size,
        seconds=seconds,
        audio_format=order.audio_format,
        doubt=doubt,
        attempts=making.number,
    )


def too_much_audio() -> GatewayError:
    """The engine does not stop speaking."""
    return GatewayError(
        "engine_endless",
        ErrorKind.ENGINE_FAILED,
        zh="语音引擎输出异常（时长超限），请更换文本后重试。",
        en="The engine did not stop speaking. Try another text.",
    )
