"""Text that arrives in pieces, spoken sentence by sentence, until somebody cancels it."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Protocol

from gateway.domain.errors import GatewayError
from gateway.domain.voice.engine import broken_stream
from gateway.domain.voice.ports import Encoder, StreamBroken
from gateway.domain.voice.sentences import SentenceBuffer
from gateway.domain.voice.speech import AudioFormat, SpeechOrder
from gateway.domain.voice.text import is_speakable, text_too_long
from gateway.domain.voice.wav import HEADER_BYTES, wav_header
from gateway.services.voice.producer import Speaker
from gateway.services.voice.synthesis import Synthesis
from gateway.services.voice.texts import Texts
from gateway.services.voice.timed import RATE, TimedSpeech


@dataclass(frozen=True)
class Delivery:
    """How a text is spoken and sent.

    Attributes:
        order: voice, manner and format; its text is each sentence's.
        speaker: who asks.
        by_sentence: speak each sentence as soon as it is complete, instead of the whole utterance at its end.
        in_pieces: send the sound while it is made, instead of one file per sentence.
    """

    order: SpeechOrder
    speaker: Speaker
    by_sentence: bool = True
    in_pieces: bool = False


@dataclass(frozen=True)
class Sentence:
    """A sentence to be spoken: its number in its utterance, from 0, and how it is delivered."""

    utterance: int
    number: int
    text: str
    delivery: Delivery


@dataclass(frozen=True)
class _Waiting:
    """A piece of an utterance that has not been spoken yet, or its end (None)."""

    utterance: int
    text: str | None
    delivery: Delivery


@dataclass(frozen=True)
class UtteranceEnd:
    """All sentences of an utterance have been spoken."""

    utterance: int
    sentences: int


class Listener(Protocol):
    """Who hears the text. Each method returns once what it is given has been taken."""

    async def starts(self, sentence: Sentence) -> None:
        """A sentence begins."""

    async def sound(self, audio: bytes) -> None:
        """Sound of the sentence."""

    async def ends(self, sentence: Sentence, *, size: int, seconds: float, error: GatewayError | None) -> None:
        """The sentence ends: bytes and length of its sound, and why it is not complete."""

    async def is_done(self, end: UtteranceEnd) -> None:
        """The utterance ends."""


class SpokenText:
    """One client's text, in utterances that follow each other.

    Args:
        synthesis: makes the speech.
        encoder: for its formats.
        listener: hears it.
        texts: prepares what is to be said.
        limit: characters that may wait to be spoken.
    """

    def __init__(self, synthesis: Synthesis, encoder: Encoder, listener: Listener, *, texts: Texts, limit: int) -> None:
        self._synthesis = synthesis
        self._encoder = encoder
        self._listener = listener
        self._texts = texts
        self._limit = limit
        self._buffer = SentenceBuffer()
        self._waiting: deque[_Waiting] = deque()
        self._news = asyncio.Event()
        self._speaking: asyncio.Task[None] | None = None
        self._is_silent = asyncio.Event()
        self._is_silent.set()
        self._utterance = 0
        self._sentences = 0
        self._whole: list[str] = []
        self.is_open = False

    @property
    def utterance(self) -> int:
        """The number of the utterance that the next piece belongs to."""
        return self._utterance

    @property
    def is_busy(self) -> bool:
        """Whether something is being spoken, or waits for it."""
        return not self._is_silent.is_set() or bool(self._waiting)

    async def silence(self) -> None:
        """Wait until all that can be spoken has been."""
        while self.is_busy:
            await self._is_silent.wait()
            await asyncio.sleep(0)

    def _unspoken(self) -> int:
        waiting = sum(len(one.text or "") for one in self._waiting)
        return waiting + self._buffer.characters + sum(map(len, self._whole))

    # For the client's messages

    def say(self, piece: str, delivery: Delivery) -> None:
        """The next piece of the text.

        Raises:
            GatewayError: ``text_too_long``: more waits than may; the piece is not taken.
        """
        length = self._unspoken() + len(piece)
        if length > self._limit:
            raise text_too_long("text", length=length, limit=self._limit)
        self.is_open = True
        if not delivery.by_sentence:
            self._whole.append(piece)
            return
        for text in self._buffer.feed(piece):
            self._add(text, delivery)

    def finish(self, delivery: Delivery) -> None:
        """The end of the utterance: what is left of it is spoken."""
        rest = ["".join(self._whole)] if self._whole else self._buffer.flush()
        self._whole = []
        for text in rest:
            self._add(text, delivery)
        self._waiting.append(_Waiting(self._utterance, None, delivery))
        self._news.set()
        self._begin_next()

    async def cancel(self) -> None:
        """Forget all that is not spoken yet, and stop what is."""
        self._buffer.clear()
        self._whole = []
        self._waiting.clear()
        if self._speaking is not None:
            self._speaking.cancel()
            await asyncio.gather(self._speaking, return_exceptions=True)
        self._sentences = 0
        self._begin_next()

    def _begin_next(self) -> None:
        self._utterance += 1
        self.is_open = False

    def _add(self, text: str, delivery: Delivery) -> None:
        if is_speakable(text):
            self._waiting.append(_Waiting(self._utterance, text, delivery))
            self._news.set()

    # For the speech

    async def speak(self) -> None:
        """Speak what there is, and wait for more, until cancelled.

        Raises:
            Exception: whatever the listener raises.
        """
        while True:
            while self._waiting:
                self._is_silent.clear()
                await self._speak_one(self._waiting.popleft())
            self._is_silent.set()
            self._news.clear()
            await self._news.wait()

    async def _speak_one(self, one: _Waiting) -> None:
        if one.text is None:
            end, self._sentences = UtteranceEnd(one.utterance, self._sentences), 0
            await self._listener.is_done(end)
            return
        self._speaking = asyncio.create_task(self._speak_sentence(one, one.text), name="sentence")
        try:
            await asyncio.wait({self._speaking})
            if not self._speaking.cancelled():
                self._speaking.result()
        finally:
            self._speaking.cancel()
            self._speaking = None

    async def _speak_sentence(self, one: _Waiting, text: str) -> None:
        sentence = Sentence(one.utterance, self._sentences, text, one.delivery)
        speech: TimedSpeech | None = None
        error: GatewayError | None = None
        size = 0
        try:
            prepared = await self._texts.prepare(text)
        except GatewayError as refusal:
            if refusal.code == "text_empty":
                return
            error, prepared = refusal, ""
        self._sentences += 1
        await self._listener.starts(sentence)
        try:
            if error is None:
                speech = self._speech(one.delivery, prepared)
                size = await self._send(speech, one.delivery)
        except GatewayError as refusal:
            error = refusal
        except StreamBroken:
            error = broken_stream()
        seconds = speech.seconds if speech is not None and error is None else 0.0
        await self._listener.ends(sentence, size=size, seconds=seconds, error=error)

    def _speech(self, delivery: Delivery, text: str) -> TimedSpeech:
        order = replace(delivery.order, text=text)
        return TimedSpeech(self._synthesis, self._encoder, order, delivery.speaker, sentences=[text])

    async def _send(self, speech: TimedSpeech, delivery: Delivery) -> int:
        """Send the sound of a sentence; returns the number of its bytes."""
        size, kept = 0, bytearray()
        async with aclosing(speech.pieces()) as pieces:
            async for piece in pieces:
                size += len(piece.audio)
                if not delivery.in_pieces:
                    kept += piece.audio
                elif piece.audio:
                    await self._listener.sound(piece.audio)
        if kept:
            await self._listener.sound(_complete(bytes(kept), delivery.order.audio_format))
        return size


def _complete(audio: bytes, audio_format: AudioFormat) -> bytes:
    """A file whose length is known now."""
    if audio_format is not AudioFormat.WAV:
        return audio
    samples = audio[HEADER_BYTES:]
    return wav_header(sample_rate=RATE, data_bytes=len(samples)) + samples
