"""Speech sentence by sentence as one sound, with the time of each sentence in it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Literal

from gateway.domain.errors import GatewayError, internal
from gateway.domain.voice.ports import Encoder, EncodingFailed
from gateway.domain.voice.sentences import split_sentences
from gateway.domain.voice.speech import OPENAI_PCM_RATE, AudioFormat, SpeechOrder
from gateway.domain.voice.spoken.parts import words_of
from gateway.domain.voice.text import is_speakable
from gateway.domain.voice.wav import SAMPLE_BYTES, wav_header
from gateway.services.voice.producer import Speaker
from gateway.services.voice.synthesis import Synthesis

RATE = OPENAI_PCM_RATE
# What is sent where there is nothing to speak.
SILENCE_SECONDS = 0.2
SILENCE_PIECE = bytes(1 << 15)


@dataclass(frozen=True)
class Mark:
    """The start or the end of a sentence in the sound.

    Attributes:
        sentence: its number, from 0.
        ms: where it is, in milliseconds from the beginning of the sound.
        text: the sentence.
    """

    type: Literal["sentence.start", "sentence.end"]
    sentence: int
    ms: int
    text: str


@dataclass(frozen=True)
class TimedPiece:
    """A piece of the sound, and what was reached until then since the last one; either may be empty."""

    audio: bytes
    marks: tuple[Mark, ...]


class TimedSpeech:
    """One text spoken sentence by sentence, at ``RATE`` whatever the engine's rate.

    Each sentence is an order of its own, found again like every other. What can't be spoken is left out; where nothing
    can, the sound is a silence.

    Args:
        synthesis: makes the sentences.
        encoder: turns their samples into the order's format.
        order: prepared text, manner and format.
        speaker: who asks.
        sentences: of the text; None: they are looked for.
        silence: seconds of it where nothing can be spoken; at least ``SILENCE_SECONDS``.
    """

    def __init__(
        self,
        synthesis: Synthesis,
        encoder: Encoder,
        order: SpeechOrder,
        speaker: Speaker,
        *,
        sentences: Sequence[str] | None = None,
        silence: float = 0.0,
    ) -> None:
        self._synthesis = synthesis
        self._encoder = encoder
        self._order = order
        self._speaker = speaker
        self._sentences = split_sentences(order.text) if sentences is None else sentences
        self._silence = max(SILENCE_SECONDS, silence)
        self._samples_bytes = 0
        self._news: list[Mark] = []
        self.marks: list[Mark] = []

    @property
    def seconds(self) -> float:
        """Length of the sound so far."""
        return self._samples_bytes / SAMPLE_BYTES / RATE

    async def pieces(self) -> AsyncGenerator[TimedPiece]:
        """The sound in the order's format as it is made, and the times of its sentences; to be called once.

        Raises:
            GatewayError: the speech can't be made.
            StreamBroken: the engine stopped early.
        """
        audio_format = self._order.audio_format
        async with aclosing(self._samples()) as samples:
            if audio_format is AudioFormat.WAV:
                yield TimedPiece(wav_header(sample_rate=RATE, data_bytes=None), ())
            if audio_format in (AudioFormat.WAV, AudioFormat.PCM):
                async for piece in samples:
                    yield self._with_news(piece)
            else:
                async with aclosing(self._encoded(samples)) as pieces:
                    async for piece in pieces:
                        yield self._with_news(piece)
        if self._news:
            yield self._with_news(b"")

    def _with_news(self, audio: bytes) -> TimedPiece:
        news, self._news = tuple(self._news), []
        return TimedPiece(audio, news)

    async def _encoded(self, samples: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
        try:
            async with (
                self._encoder.start(self._order.audio_format, RATE) as encoding,
                aclosing(encoding.encode(samples)) as pieces,
            ):
                async for piece in pieces:
                    yield piece
        except EncodingFailed as error:
            raise internal() from error

    async def _samples(self) -> AsyncGenerator[bytes]:
        number = 0
        for text in self._sentences:
            words = words_of(text).strip()
            is_said = is_speakable(words)
            if is_said:
                self._mark("sentence.start", number, words)
            async with aclosing(self._sentence(text)) as pieces:
                async for piece in pieces:
                    self._samples_bytes += len(piece)
                    yield piece
            if is_said:
                self._mark("sentence.end", number, words)
                number += 1
        if not self._samples_bytes:
            for piece in self._nothing():
                self._samples_bytes += len(piece)
                yield piece

    def _nothing(self) -> Iterator[bytes]:
        left = round(self._silence * RATE) * SAMPLE_BYTES
        while left > 0:
            yield SILENCE_PIECE[:left]
            left -= len(SILENCE_PIECE)

    async def _sentence(self, text: str) -> AsyncGenerator[bytes]:
        if not is_speakable(text):
            return
        order = replace(self._order, text=text, audio_format=AudioFormat.PCM, sample_rate=RATE)
        try:
            async with aclosing(self._synthesis.stream(order, self._speaker)) as pieces:
                async for piece in pieces:
                    yield piece
        except GatewayError as error:
            # What the engine finds nothing to speak in takes no time.
            if error.code != "text_empty":
                raise

    def _mark(self, kind: Literal["sentence.start", "sentence.end"], number: int, text: str) -> None:
        mark = Mark(kind, number, round(1000 * self.seconds), text)
        self._news.append(mark)
        self.marks.append(mark)
