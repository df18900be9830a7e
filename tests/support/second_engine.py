"""A second speech engine: a tone in this process, at another rate than CosyVoice's, without instruct or stored voices.

It shows that an engine is one adapter, and lets tests decide when each piece of speech is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np

from gateway.domain.voice.engine import EngineStatus, SpeechEngineState, not_ready
from gateway.domain.voice.ports import EngineAudio, Reference, StreamBroken
from gateway.domain.voice.speech import SpeechMode, SpeechOrder

RATE = 16000
PIECE_SAMPLES = RATE // 10


class ToneAudio:
    """One answer: pieces of 100 ms of a tone, whose pitch depends on the text."""

    sample_rate = RATE
    model = "tone"

    def __init__(self, engine: ToneEngine, text: str, *, pieces: int, breaks_after: int | None) -> None:
        self._engine = engine
        self._pieces = pieces
        self._pitch = 100 + sum(text.encode()) % 300
        self._breaks_after = breaks_after

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for number in range(self._pieces):
            if number == self._breaks_after:
                raise StreamBroken("the tone broke off")
            if self._engine.gate is not None:
                await self._engine.gate.acquire()
            time = (np.arange(PIECE_SAMPLES) + number * PIECE_SAMPLES) / RATE
            yield (np.sin(2 * np.pi * self._pitch * time) * 8000).astype("<i2").tobytes()

    def close(self) -> None:
        self._engine.speaking -= 1


class ToneEngine:
    """Speaks tones.

    Args:
        pieces: length of every answer, in tenths of a second.
        gated: each piece waits until the test lets it go with ``release``.
        breaks: for each of the first answers, the number of pieces after which it breaks off.
        lengths: for each of the first answers, its length in tenths of a second.
    """

    def __init__(
        self,
        *,
        pieces: int = 10,
        gated: bool = False,
        breaks: tuple[int, ...] = (),
        lengths: tuple[int, ...] = (),
    ) -> None:
        self.pieces = pieces
        self._lengths = lengths
        self.gate = asyncio.Semaphore(0) if gated else None
        self.orders: list[SpeechOrder] = []
        self.speaking = 0
        self._breaks = breaks
        self.state = SpeechEngineState(
            EngineStatus.READY,
            model="tone",
            sample_rate=RATE,
            modes=frozenset({SpeechMode.CROSS_LINGUAL, SpeechMode.ZERO_SHOT}),
        )

    def release(self, pieces: int) -> None:
        """Let so many pieces go."""
        assert self.gate is not None
        for _ in range(pieces):
            self.gate.release()

    def require_ready(self) -> None:
        if not self.state.is_ready:
            raise not_ready(self.state)

    async def speak(self, order: SpeechOrder, reference: Reference, *, stream: bool) -> EngineAudio:
        breaks_after = self._breaks[len(self.orders)] if len(self.orders) < len(self._breaks) else None
        pieces = self._lengths[len(self.orders)] if len(self.orders) < len(self._lengths) else self.pieces
        self.orders.append(order)
        self.speaking += 1
        return ToneAudio(self, order.text, pieces=pieces, breaks_after=breaks_after)

    async def register(self, reference: Reference) -> str | None:
        return None

    async def copy_name(self, reference: Reference) -> str:
        return reference.sha256

    async def forget(self, name: str) -> None:
        pass
