"""Speech as an answer while it is made: the sound itself, or server-sent events."""

from __future__ import annotations

import asyncio
import base64
import json
import math
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from gateway.domain.errors import GatewayError, Language
from gateway.domain.voice.engine import broken_stream
from gateway.domain.voice.ports import StreamBroken
from gateway.services.voice.timed import TimedPiece, TimedSpeech
from gateway.web.disconnect import disconnected
from gateway.web.errors import openai_error

# What one event carries at most.
EVENT_BYTES = 32 * 1024
# The speech tokens of a second, and the bytes of a token of text: usage in OpenAI's terms.
SPEECH_TOKENS = 25
TEXT_TOKEN_BYTES = 4

log = structlog.stdlib.get_logger(__name__)


class SpeechStream:
    """An answer in pieces; the status is sent only when there is something.

    Args:
        pieces: of the answer's body.
        headers: of the answer.
    """

    def __init__(self, pieces: AsyncGenerator[bytes], headers: Mapping[str, str]) -> None:
        self._pieces = pieces
        self._headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        self._started = False
        self._finished = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the speech, and stop as soon as the client disconnects; the server disconnects one that stops reading.

        Raises:
            ClientDisconnect: the client has disconnected; the engine is free.
        """
        sending = asyncio.current_task()
        leaving = asyncio.ensure_future(disconnected(receive))
        gone = False

        def interrupt(_: object) -> None:
            nonlocal gone
            # The server reports the end of the answer as a disconnection too.
            if sending is not None and not self._finished:
                gone = True
                sending.cancel()

        leaving.add_done_callback(interrupt)
        try:
            await self._send(scope, send)
        except asyncio.CancelledError:
            # A server that shuts down cancels too.
            if gone and sending is not None and sending.uncancel() == 0:
                raise ClientDisconnect from None
            raise
        finally:
            leaving.remove_done_callback(interrupt)
            leaving.cancel()

    async def _send(self, scope: Scope, send: Send) -> None:
        try:
            async with aclosing(self._pieces) as pieces:
                async for piece in pieces:
                    await self._send_piece(piece, send)
        except StreamBroken as error:
            # Without its end the server cuts the connection, so that no client takes the answer for complete.
            log.warning("stream cut", error=str(error))
            scope["twinport.error"] = broken_stream()
            return
        self._finished = True
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_piece(self, piece: bytes, send: Send) -> None:
        if not self._started:
            self._started = True
            await send({"type": "http.response.start", "status": 200, "headers": self._headers})
        await send({"type": "http.response.body", "body": piece, "more_body": True})


async def sound_of(speech: TimedSpeech) -> AsyncGenerator[bytes]:
    """The sound alone."""
    async with aclosing(speech.pieces()) as pieces:
        async for piece in pieces:
            if piece.audio:
                yield piece.audio


async def events_of(speech: TimedSpeech, *, text: str, language: Language) -> AsyncGenerator[bytes]:
    """OpenAI's events, with the times of the sentences in their ``marks``.

    Args:
        speech: what is sent.
        text: the client's, for its usage.
        language: of errors.

    Raises:
        GatewayError: the speech can't be made, before anything was yielded.
        StreamBroken: the engine stopped early; the client has been sent an event that says so.
    """
    started = False
    try:
        async with aclosing(speech.pieces()) as pieces:
            async for event in _deltas(pieces):
                started = True
                yield event
    except (GatewayError, StreamBroken) as error:
        if not started:
            raise
        shown = error if isinstance(error, GatewayError) else broken_stream()
        yield _event({"type": "error", **openai_error(shown, language)})
        raise StreamBroken(str(error)) from error
    yield _event(_done(speech, text))


async def _deltas(pieces: AsyncIterator[TimedPiece]) -> AsyncIterator[bytes]:
    async for piece in pieces:
        marks = [{"type": m.type, "sentence": m.sentence, "ms": m.ms, "text": m.text} for m in piece.marks]
        for at in range(0, max(1, len(piece.audio)), EVENT_BYTES):
            audio = base64.b64encode(piece.audio[at : at + EVENT_BYTES]).decode()
            yield _event({"type": "speech.audio.delta", "audio": audio, **({"marks": marks} if marks else {})})
            marks = []


def _done(speech: TimedSpeech, text: str) -> dict[str, object]:
    starts = {mark.sentence: mark for mark in speech.marks if mark.type == "sentence.start"}
    ends = {mark.sentence: mark for mark in speech.marks if mark.type == "sentence.end"}
    spoken = math.ceil(SPEECH_TOKENS * speech.seconds)
    written = math.ceil(len(text.encode("utf-8", "replace")) / TEXT_TOKEN_BYTES)
    return {
        "type": "speech.audio.done",
        "usage": {"input_tokens": written, "output_tokens": spoken, "total_tokens": written + spoken},
        "sentences": [
            {"text": start.text, "start_ms": start.ms, "end_ms": ends[number].ms} for number, start in starts.items()
        ],
    }


def _event(content: Mapping[str, object]) -> bytes:
    return b"data: " + json.dumps(content, ensure_ascii=False).encode() + b"\n\n"
