"""An order's speech from the engine, part by part, with silence where its text has a pause."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from gateway.domain.errors import GatewayError
from gateway.domain.voice.ports import EngineAudio, Reference, SpeechEngine, StreamBroken
from gateway.domain.voice.speech import SpeechOrder
from gateway.domain.voice.spoken.parts import Part, parts_of
from gateway.domain.voice.wav import SAMPLE_BYTES

SILENCE_PIECE = 1 << 15
SILENCE_RATE = 24000  # of a pause alone, where the engine's rate is not known


async def speak(engine: SpeechEngine, order: SpeechOrder, reference: Reference, *, stream: bool) -> EngineAudio:
    """Have an order spoken; the caller closes the answer.

    Raises:
        GatewayError: the engine rejected it, is not ready, or can't be reached.
        StreamBroken: it disconnected before the first sample.
    """
    parts = parts_of(order.text)
    if len(parts) <= 1 and not any(part.pause_ms for part in parts):
        text = parts[0].text if parts else order.text
        return await engine.speak(replace(order, text=text), reference, stream=stream)
    first = next((part.text for part in parts if part.text), "")
    audio = await engine.speak(replace(order, text=first), reference, stream=stream) if first else None
    return _Parts(engine, order, reference, parts, audio, stream=stream)


class _Parts:
    """The answers for the parts of a text, one after the other."""

    def __init__(
        self,
        engine: SpeechEngine,
        order: SpeechOrder,
        reference: Reference,
        parts: tuple[Part, ...],
        first: EngineAudio | None,
        *,
        stream: bool,
    ) -> None:
        # A text may be nothing but a pause.
        self.sample_rate = first.sample_rate if first is not None else engine.state.sample_rate or SILENCE_RATE
        self.model = first.model if first is not None else engine.state.model
        self._engine = engine
        self._order = order
        self._reference = reference
        self._parts = parts
        self._stream = stream
        self._audio: EngineAudio | None = first
        self._is_first = True

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            if part.text:
                async for chunk in self._said(part):
                    yield chunk
            for piece in self._silence(part.pause_ms):
                yield piece

    async def _said(self, part: Part) -> AsyncIterator[bytes]:
        audio = self._audio if self._is_first and self._audio is not None else await self._next(part)
        self._is_first = False
        size = 0
        async for chunk in audio:
            size += len(chunk)
            yield chunk
        if size % SAMPLE_BYTES:
            raise StreamBroken("a part of the answer ends within a sample")
        self.close()

    async def _next(self, part: Part) -> EngineAudio:
        try:
            self._audio = await self._engine.speak(
                replace(self._order, text=part.text), self._reference, stream=self._stream
            )
        except GatewayError as error:
            # Some of the answer has been given: it is cut like any that the engine does not finish.
            raise StreamBroken(f"the engine refused a later part: {error.code}") from error
        if self._audio.sample_rate != self.sample_rate:
            raise StreamBroken("the engine changed its sample rate within an answer")
        return self._audio

    def _silence(self, milliseconds: int) -> list[bytes]:
        left = self.sample_rate * milliseconds // 1000 * SAMPLE_BYTES
        whole, rest = divmod(left, SILENCE_PIECE)
        return [bytes(SILENCE_PIECE)] * whole + ([bytes(rest)] if rest else [])

    def close(self) -> None:
        """Release the current answer; before its end this makes the engine stop."""
        if self._audio is not None:
            self._audio.close()
            self._audio = None
