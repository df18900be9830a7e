"""Makes an order in another format: an encoder follows the speech, and its output can be followed too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, nullcontext

from gateway.domain.errors import internal
from gateway.domain.voice.engine import broken_stream
from gateway.domain.voice.ports import Encoder, Encoding, EncodingFailed, SpeechStore, StreamBroken
from gateway.domain.voice.speech import AudioFormat, SpeechOrder, StoredSpeech
from gateway.domain.voice.wav import HEADER_BYTES, SAMPLE_BYTES
from gateway.services.voice.lengths import LengthCheck
from gateway.services.voice.producer import ATTEMPTS, stored_speech
from gateway.services.voice.production import Finished, Making, Production, Source, follow

# Concurrent encoders for finished speech; the others are limited by the engine's slots.
FREE_ENCODERS = 8


class _Samples:
    """The samples of a source, counted."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.bytes = 0

    async def pieces(self) -> AsyncGenerator[bytes]:
        async with aclosing(follow(self._source, skip=HEADER_BYTES)) as pieces:
            async for piece in pieces:
                self.bytes += len(piece)
                yield piece


class _AsItIs:
    """An encoding that changes nothing."""

    async def encode(self, pcm: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
        async for piece in pcm:
            yield piece

    def finished_head(self) -> bytes | None:
        return None


class EncodedProducer:
    """Makes speech in another format than the engine's.

    Args:
        encoder: turns samples into the format.
        store: for the result.
        lengths: whether the result is as long as its text lets expect.
    """

    def __init__(self, *, encoder: Encoder, store: SpeechStore, lengths: LengthCheck) -> None:
        self._encoder = encoder
        self._store = store
        self._lengths = lengths
        self._free = asyncio.Semaphore(FREE_ENCODERS)

    async def make(
        self, order: SpeechOrder, source: Source, production: Production, *, expected_rate: int
    ) -> StoredSpeech:
        """Encode an order from the speech of ``source``, finished or in progress.

        Args:
            order: the order.
            source: the same speech as WAV.
            production: of this order.
            expected_rate: Hz that the engine will probably use.

        Raises:
            GatewayError: the source or the encoder failed; the disk is full.
        """
        with source.followed():
            await source.turn()
            production.at_work()
            # One more than of the speech itself, which is also made again for its length.
            for _ in range(ATTEMPTS + 1):
                try:
                    async with self._free if isinstance(source, Finished) else nullcontext():
                        return await self._attempt(order, source, production, expected_rate)
                except StreamBroken as error:
                    production.break_off(error)
                except EncodingFailed as error:
                    raise internal() from error
        raise broken_stream()

    async def _attempt(
        self, order: SpeechOrder, source: Source, production: Production, expected_rate: int
    ) -> StoredSpeech:
        file = self._store.begin()
        samples = _Samples(source)
        try:
            async with AsyncExitStack() as stack:
                # The encoder starts while the engine works, so that it is ready for the first samples.
                encoding = await self._encoding(order, expected_rate, stack)
                origin = await source.making()
                if origin.sample_rate != expected_rate:
                    encoding = await self._encoding(order, origin.sample_rate, stack)
                making = Making(file, origin.sample_rate, origin.model, origin.number)
                production.begin(making)
                pcm = await stack.enter_async_context(aclosing(samples.pieces()))
                async for piece in await stack.enter_async_context(aclosing(encoding.encode(pcm))):
                    await file.write(piece)
            production.keep()
            await file.finish(encoding.finished_head())
            seconds = samples.bytes / SAMPLE_BYTES / making.sample_rate
            finished = stored_speech(order, making, seconds, self._lengths.doubt(order, seconds))
            await self._store.put(file, finished)
        except EncodingFailed:
            file.fail(internal())
            raise
        except Exception as error:
            file.fail(error)
            raise
        finally:
            file.discard()
        return finished

    async def _encoding(self, order: SpeechOrder, rate: int, stack: AsyncExitStack) -> Encoding:
        """What makes the order's format of samples; none are read before the first piece is requested."""
        if order.audio_format is AudioFormat.PCM and order.sample_rate in (0, rate):
            return _AsItIs()
        return await stack.enter_async_context(
            self._encoder.start(order.audio_format, rate, target_rate=order.sample_rate)
        )
