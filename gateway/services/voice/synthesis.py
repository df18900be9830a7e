"""From an order to speech: found in the store, joined while it is being made, or begun. All followers read one file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

import structlog

from gateway.domain.errors import GatewayError, shutting_down
from gateway.domain.usage import Work
from gateway.domain.voice.engine import mode_not_supported, still_working
from gateway.domain.voice.ports import Encoder, SpeechEngine, SpeechStore
from gateway.domain.voice.speech import AudioFormat, SpeechOrder, StoredSpeech
from gateway.domain.voice.voice import voice_not_found
from gateway.domain.voice.wav import HEADER_BYTES, rate_in, wav_header
from gateway.services.usage import Usage
from gateway.services.voice.encoding import EncodedProducer
from gateway.services.voice.lengths import LengthCheck
from gateway.services.voice.producer import Speaker, SpeechProducer, SynthesisMetrics
from gateway.services.voice.production import Finished, Making, Production, Source, follow
from gateway.services.voice.queue import FairQueue

FALLBACK_RATE = 24000  # until the engine's own is known; then an encoder is started again

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class Rules:
    """Limits of synthesis.

    Attributes:
        max_seconds: longest speech of one order.
        answer_seconds: how long a caller waits for a whole file before it is told to try again.
        check_length: speech that is far too short or too long for its text is made once more.
    """

    max_seconds: float
    answer_seconds: float
    check_length: bool = False


class Synthesis:
    """Makes speech, each order once.

    Args:
        engine: makes the speech.
        encoder: turns speech into other formats.
        store: of finished speech.
        queue: slots at the engine.
        metrics: of synthesis.
        usage: each key's work.
        rules: limits.
    """

    def __init__(
        self,
        *,
        engine: SpeechEngine,
        encoder: Encoder,
        store: SpeechStore,
        queue: FairQueue,
        metrics: SynthesisMetrics,
        usage: Usage,
        rules: Rules,
    ) -> None:
        self._engine = engine
        self._store = store
        self._metrics = metrics
        self._usage = usage
        self._rules = rules
        lengths = LengthCheck(enabled=rules.check_length)
        self._speech = SpeechProducer(
            engine=engine,
            store=store,
            queue=queue,
            metrics=metrics,
            usage=usage,
            max_seconds=rules.max_seconds,
            lengths=lengths,
        )
        self._encoded = EncodedProducer(encoder=encoder, store=store, lengths=lengths)
        self._running: dict[str, Production] = {}

    async def forget_voice(self, voice_id: str) -> None:
        """Stop the speech of a deleted voice, and delete its stored speech."""
        await self._stop(
            [production for production in self._running.values() if production.voice_id == voice_id], voice_not_found()
        )
        await self._store.forget_voice(voice_id)

    async def stop(self) -> None:
        """Cancel running work; nothing partial stays visible."""
        await self._stop(list(self._running.values()), shutting_down())

    @staticmethod
    async def _stop(productions: list[Production], error: GatewayError) -> None:
        for production in productions:
            production.stop(error)
        await asyncio.gather(*(production.task for production in productions), return_exceptions=True)

    # For callers

    async def stored(self, order: SpeechOrder) -> StoredSpeech | None:
        """The finished speech of an order, if there is any."""
        engine = self._engine.state
        if order.sample_rate == engine.sample_rate:
            order = order.at_engine_rate()
        return await self._store.find(order.fingerprint, model=engine.model)

    async def make(self, order: SpeechOrder, speaker: Speaker) -> StoredSpeech:
        """The finished speech of an order. A caller that leaves does not stop the work: it will request it again.

        Raises:
            GatewayError: the engine can't work, is full, stopped early, or was too slow; the voice was deleted.
        """
        running = self._joinable(order)
        if running is None:
            found = await self.stored(order)
            if found is not None:
                self._metrics.found("stored")
                return found
            running = self._join_or_begin(order, speaker, stream=False)
        else:
            self._metrics.found("joined")
        running.keep()
        try:
            async with asyncio.timeout(self._rules.answer_seconds):
                return await asyncio.shield(running.task)
        except TimeoutError:
            raise still_working() from None

    async def stream(self, order: SpeechOrder, speaker: Speaker) -> AsyncGenerator[bytes]:
        """The speech of an order as it is made, in its format. Once nobody follows an order any more, the engine stops.

        Raises:
            GatewayError: as ``make``, before anything was yielded; ``voice_not_found`` once the voice is deleted.
            StreamBroken: the engine stopped early after something was yielded.
        """
        if order.sample_rate == self._engine.state.sample_rate:
            order = order.at_engine_rate()
        if order.audio_format is AudioFormat.WAV or (order.audio_format is AudioFormat.PCM and not order.sample_rate):
            source = await self._source(order.as_wav(), speaker)
            skip, head = HEADER_BYTES, _streamed_header if order.audio_format is AudioFormat.WAV else _no_header
        else:
            source = await self._source(order, speaker)
            skip, head = 0, _no_header
        with source.followed():
            async with aclosing(follow(source, skip=skip, head=head)) as pieces:
                async for piece in pieces:
                    if isinstance(source, Production):
                        source.stream()
                    yield piece

    # Productions

    def _joinable(self, order: SpeechOrder) -> Production | None:
        running = self._running.get(order.fingerprint)
        return running if running is not None and running.is_open else None

    def _join_or_begin(self, order: SpeechOrder, speaker: Speaker, *, stream: bool) -> Production:
        """The production of an order; there is one at most.

        Raises:
            GatewayError: the engine can't work now, or not that way; ``daily_limit``.
        """
        running = self._joinable(order)
        if running is not None:
            self._metrics.found("joined")
            return running
        if order.audio_format is AudioFormat.WAV:
            self._usage.require(speaker.key_id, Work.SPEECH_SECONDS)
            self._engine.require_ready()
            if not self._engine.state.supports(order.mode):
                raise mode_not_supported(order.mode.value)
        self._metrics.found("made")
        production = Production(
            order.voice_id,
            lambda own: self._work(order, speaker, own, stream=stream),
            name=f"speak {order.fingerprint[:12]}",
        )
        self._running[order.fingerprint] = production
        production.task.add_done_callback(lambda _: self._ended(order.fingerprint, production))
        return production

    async def _work(self, order: SpeechOrder, speaker: Speaker, own: Production, *, stream: bool) -> StoredSpeech:
        if order.audio_format is AudioFormat.WAV:
            return await self._speech.make(order, speaker, own, stream=stream)
        source = await self._source(order.as_wav().at_engine_rate(), speaker, stream=stream)
        if isinstance(source, Production):
            own.made_from(source)
        rate = self._engine.state.sample_rate or FALLBACK_RATE
        return await self._encoded.make(order, source, own, expected_rate=rate)

    async def _source(self, order: SpeechOrder, speaker: Speaker, *, stream: bool = True) -> Source:
        """The speech of an order, finished or being made."""
        running = self._joinable(order)
        if running is None:
            found = await self._store.find(order.fingerprint, model=self._engine.state.model)
            file = await self._store.open_finished(found) if found is not None else None
            if found is not None and file is not None:
                self._metrics.found("stored")
                try:
                    rate = rate_in(await file.read(0)) if order.audio_format is AudioFormat.WAV else order.sample_rate
                except BaseException:
                    file.close()
                    raise
                return Finished(Making(file, rate, found.model, found.attempts))
        return self._join_or_begin(order, speaker, stream=stream)

    def _ended(self, fingerprint: str, production: Production) -> None:
        if self._running.get(fingerprint) is production:
            del self._running[fingerprint]
        if not production.task.cancelled() and (error := production.task.exception()) is not None:
            # Read here, because all callers may have disconnected.
            code = error.code if isinstance(error, GatewayError) else repr(error)
            log.info("synthesis failed", fingerprint=fingerprint[:12], code=code)


def _streamed_header(making: Making) -> bytes:
    return wav_header(sample_rate=making.sample_rate, data_bytes=None)


def _no_header(_: Making) -> bytes:
    return b""
