"""Speech as the CosyVoice engine streams it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Self

from aiohttp import ClientError, ClientResponse

from gateway.domain.voice.engine import engine_refused
from gateway.domain.voice.ports import StreamBroken
from gateway.infrastructure.voice.idle_timer import IdleTimer

_RATE = re.compile(r"([1-9]\d{0,5})", re.ASCII)
_RATE_IN_TYPE = re.compile(r"rate=([1-9]\d{0,5})\b", re.ASCII)
# All errors of the network and of waiting for it.
NETWORK_ERRORS = (ClientError, TimeoutError, OSError)


class CosyVoiceAudio:
    """An answer of the engine: raw PCM as it comes, 16-bit little-endian mono, to be read by ``async for``.

    Reading raises ``StreamBroken`` where the answer ends early. Closing it before its end makes the engine stop.

    Attributes:
        sample_rate: Hz, by the engine's answer.
        model: the model that speaks.

    Args:
        response: that of the engine, its head read.
        model: the model that speaks, unless the engine names another.
        idle: seconds that the engine may pause.

    Raises:
        GatewayError: the engine names no sample rate.
    """

    def __init__(self, response: ClientResponse, *, model: str, idle: float) -> None:
        self.sample_rate = _sample_rate(response.headers)
        self.model = response.headers.get("X-Model", model)
        self._response = response
        self._timer = IdleTimer(idle)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await self._timer.wait_for(self._response.content.readany())
        except NETWORK_ERRORS as error:
            raise StreamBroken(repr(error)) from error
        if not chunk:
            raise StopAsyncIteration
        return chunk

    def close(self) -> None:
        """Release the answer; before its end that closes the connection."""
        self._timer.close()
        self._response.release()


def _sample_rate(headers: Mapping[str, str]) -> int:
    """The rate that the engine names, in its own header or in the media type.

    Raises:
        GatewayError: it names none, as an unpatched server does, whose rate is unknown.
    """
    named = headers.get("X-Sample-Rate", "")
    match = _RATE.fullmatch(named) or _RATE_IN_TYPE.search(headers.get("Content-Type", ""))
    if match is None:
        raise engine_refused("unpatched", "it names no sample rate; install Twinport's server.py in its container")
    return int(match.group(1))
