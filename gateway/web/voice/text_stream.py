"""Text in, speech out, over one WebSocket: ``/v1/audio/speech/stream``, in the form of vLLM-Omni's.

The text of an utterance arrives in pieces; each sentence is spoken as soon as it is complete.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Literal

import structlog
from pydantic import Field
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from gateway.domain.errors import GatewayError, internal, invalid_request
from gateway.domain.storage import storage_errors
from gateway.domain.voice.speech import AudioFormat
from gateway.services.voice.spoken_text import Delivery, Sentence, SpokenText, UtteranceEnd
from gateway.services.voice.timed import RATE
from gateway.web.caller import caller_of
from gateway.web.language import preferred_language
from gateway.web.middleware.access import KEY_PROTOCOL
from gateway.web.operation import Operation
from gateway.web.params import read_json, validate
from gateway.web.routing import Socket, count_work
from gateway.web.voice.models import RequestModel
from gateway.web.voice.openai import openai_order
from gateway.web.voice.openai_voices import find_speaker, requested_device
from gateway.web.voice.speech_models import Manner, OpenAIFormat

PATH = "/v1/audio/speech/stream"
# The first message comes this soon, and whatever is sent is taken this soon.
FIRST_SECONDS = 10.0
SEND_SECONDS = 60.0
POLICY_VIOLATION = 1008

log = structlog.stdlib.get_logger(__name__)


class SessionConfig(Manner):
    """How the text of a session is spoken, until the next one."""

    response_format: OpenAIFormat = Field(AudioFormat.WAV)
    stream_audio: bool = False
    split_granularity: Literal["none", "sentence", "clause"] = "sentence"


class TextMessage(RequestModel):
    """A piece of text."""

    text: str


def stream_idle() -> GatewayError:
    """Nothing has been said for too long."""
    return invalid_request(
        "长时间没有收到消息，文本流已关闭。",
        "No message came for too long; the text stream is closed.",
        code="stream_idle",
    )


def unknown_message() -> GatewayError:
    """A message of no known type, or in the wrong place."""
    return invalid_request(
        "无法识别此消息：type 应为 session.config、input.text、input.done、input.cancel 或 session.close，"
        "session.config 不能出现在一段文本中间。",
        "This message is not known here: its type should be session.config, input.text, input.done, input.cancel or "
        "session.close, and session.config can't come within an utterance.",
        param="type",
        code="unknown_message",
    )


class _Session:
    """One WebSocket."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._state: Any = socket.state
        self._settings = self._state["voice_settings"]
        self._language = preferred_language(socket.headers)
        self._text = SpokenText(
            self._state["synthesis"],
            self._state["encoder"],
            self,
            texts=self._state["openai_texts"],
            limit=self._settings.longest_openai_text,
        )
        self._delivery: Delivery | None = None
        self._ms = 0

    async def serve(self) -> None:
        """Take messages and speak until one of both sides ends it."""
        speaking = asyncio.create_task(self._text.speak(), name="text stream")
        listening = asyncio.create_task(self._listen(), name="text stream's messages")
        try:
            await asyncio.wait({speaking, listening}, return_when=asyncio.FIRST_COMPLETED)
            for task in (speaking, listening):
                if task.done() and not task.cancelled():
                    task.result()
        finally:
            await self._text.cancel()
            for task in (speaking, listening):
                task.cancel()
            await asyncio.gather(speaking, listening, return_exceptions=True)

    # Messages

    async def _listen(self) -> None:
        while True:
            message = await self._next()
            if message is None or not await self._take(message):
                return

    async def _next(self) -> str | bytes | None:
        """The next message; None: nobody has anything to say any more."""
        while True:
            seconds = FIRST_SECONDS if self._delivery is None else self._settings.text_stream_idle_timeout
            try:
                async with asyncio.timeout(seconds):
                    received = await self._socket.receive()
            except TimeoutError:
                if self._text.is_busy:
                    continue
                await self.report(stream_idle())
                return None
            if received["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(received.get("code", 1005))
            return received.get("text") or received.get("bytes") or ""

    async def _take(self, message: str | bytes) -> bool:
        """Do what a message says; whether more may come."""
        try:
            values = read_json(message.encode("utf-8", "surrogatepass") if isinstance(message, str) else message)
            kind = values.get("type") if isinstance(values, dict) else None
            if kind == "session.close":
                await self._finish()
                return False
            with storage_errors():
                await self._do(kind, values)
        except GatewayError as error:
            await self.report(error)
            # Without a first configuration nothing can follow.
            return self._delivery is not None
        return True

    async def _do(self, kind: object, values: dict[str, Any]) -> None:
        if kind == "session.config" and not self._text.is_open:
            self._delivery = await self._configured(validate(SessionConfig, _without_type(values)))
        elif kind == "input.text":
            await self._say(validate(TextMessage, values).text)
        elif kind == "input.done":
            self._text.finish(await self._known_delivery())
        elif kind == "input.cancel":
            await self._cancel()
        else:
            raise unknown_message()

    async def _configured(self, config: SessionConfig) -> Delivery:
        voice, speaker = await find_speaker(
            self._socket, config.voice, requested_device(self._socket, config.device_id, self._header_device())
        )
        order = openai_order(self._state, config, voice, "")
        by_sentence = config.split_granularity != "none"
        return Delivery(order, speaker, by_sentence=by_sentence, in_pieces=config.stream_audio)

    def _header_device(self) -> str | None:
        return self._socket.headers.get("x-device-id") or self._socket.query_params.get("device_id")

    async def _known_delivery(self) -> Delivery:
        """The configuration; a client that sends none gets the default voice."""
        if self._delivery is None:
            self._delivery = await self._configured(SessionConfig())
        return self._delivery

    async def _say(self, piece: str) -> None:
        delivery = await self._known_delivery()
        if not piece:
            return
        if not self._text.is_open:
            await self._state["device_limiter"].check(delivery.speaker.device_id)
            count_work(self._socket)
        self._text.say(piece, delivery)

    async def _cancel(self) -> None:
        utterance = self._text.utterance
        await self._text.cancel()
        self._ms = 0
        await self._send({"type": "session.cancelled", "utterance_index": utterance})

    async def _finish(self) -> None:
        """What has been said is still heard, the last sentence too, whether it is complete or not."""
        if self._text.is_open:
            self._text.finish(await self._known_delivery())
        await self._text.silence()

    # What is heard

    async def starts(self, sentence: Sentence) -> None:
        """Announce a sentence."""
        order = sentence.delivery.order
        rate = {"sample_rate": RATE, "channels": 1} if order.audio_format in (AudioFormat.PCM, AudioFormat.WAV) else {}
        await self._send(
            {
                "type": "audio.start",
                **_numbers(sentence),
                "sentence_text": sentence.text,
                "format": order.audio_format.value,
                **rate,
            }
        )

    async def sound(self, audio: bytes) -> None:
        """Send sound."""
        async with asyncio.timeout(SEND_SECONDS):
            await self._socket.send_bytes(audio)

    async def ends(self, sentence: Sentence, *, size: int, seconds: float, error: GatewayError | None) -> None:
        """Say how a sentence ended, and where it is in its utterance's sound."""
        if error is not None:
            more = {**_numbers(sentence), **({"partial_audio": True, "action": "discard"} if size else {})}
            await self.report(error, more)
        start = self._ms
        self._ms += round(1000 * seconds)
        times = {"start_ms": start, "end_ms": self._ms}
        done = {"type": "audio.done", **_numbers(sentence), "total_bytes": size, "error": error is not None, **times}
        await self._send(done)

    async def is_done(self, end: UtteranceEnd) -> None:
        """Say that an utterance has been spoken."""
        self._ms = 0
        await self._send({"type": "session.done", "utterance_index": end.utterance, "total_sentences": end.sentences})

    async def report(self, error: GatewayError, more: Mapping[str, object] | None = None) -> None:
        """Say what went wrong."""
        shown = {"message": error.sentence(self._language), "code": error.code, "param": error.param}
        await self._send({"type": "error", **shown, "retry_after": error.retry_after, **(more or {})})

    async def _send(self, message: Mapping[str, object]) -> None:
        async with asyncio.timeout(SEND_SECONDS):
            await self._socket.send_text(json.dumps(message, ensure_ascii=False))


def _numbers(sentence: Sentence) -> dict[str, int]:
    return {"utterance_index": sentence.utterance, "sentence_index": sentence.number}


def _without_type(values: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if name != "type"}


def _subprotocol(socket: WebSocket) -> str | None:
    """One of those that the client offers, as a browser demands; not the key, if there is another."""
    offered: list[str] = socket.scope.get("subprotocols", [])
    return next((name for name in offered if not name.startswith(KEY_PROTOCOL)), offered[0] if offered else None)


async def serve_text_stream(socket: WebSocket) -> None:
    """Serve one WebSocket until it is closed."""
    state: Any = socket.state
    with state["streams"].counted(caller_of(socket.scope).address):
        await socket.accept(subprotocol=_subprotocol(socket))
        with suppress(WebSocketDisconnect, TimeoutError):
            session = _Session(socket)
            try:
                await session.serve()
            except (WebSocketDisconnect, TimeoutError):
                raise
            except Exception:
                log.exception("text stream failed")
                await session.report(internal())
        if socket.application_state is WebSocketState.CONNECTED and socket.client_state is WebSocketState.CONNECTED:
            with suppress(WebSocketDisconnect, RuntimeError):
                await socket.close()


text_stream = Socket(Operation("WEBSOCKET", PATH, openai=True), serve_text_stream)
