"""The CosyVoice engine over HTTP, as ``docs/engine-api.md`` describes it."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlencode

import structlog
from aiohttp import ClientResponse, ClientSession, ClientTimeout, DummyCookieJar, FormData, TCPConnector
from yarl import URL

from gateway.domain.errors import GatewayError, Reason
from gateway.domain.voice.engine import EngineStatus, SpeechEngineState, not_ready
from gateway.domain.voice.ports import Reference
from gateway.domain.voice.speech import SpeechMode, SpeechOrder
from gateway.infrastructure.voice.cosyvoice_answers import (
    json_of,
    name_in,
    network_failure,
    parse_health,
    refusal_of,
    short_answer,
)
from gateway.infrastructure.voice.cosyvoice_audio import NETWORK_ERRORS, CosyVoiceAudio
from gateway.infrastructure.voice.cosyvoice_requests import ROUTES, fields_of, read, with_audio

HEALTH_TIMEOUT = 5.0
REGISTER_TIMEOUT = 120.0
FORGET_TIMEOUT = 5.0
CONNECT_TIMEOUT = 5.0
REMEMBERED_VOICES = 10_000
FORM = {"Content-Type": "application/x-www-form-urlencoded"}

log = structlog.stdlib.get_logger(__name__)


class VoiceForgotten(Exception):  # noqa: N818 - an event within this module
    """The engine has forgotten a registered voice."""


@dataclass(frozen=True)
class Timeouts:
    """The engine's time limits, in seconds."""

    first_byte: float
    idle: float


class CosyVoice:
    """The engine: its state, its voices, its speech.

    Args:
        url: its address.
        timeouts: its time limits.
        on_state: called with each state that was read.
        explain: returns a better reason than the engine's own why it does not work, or None.
    """

    def __init__(
        self,
        url: str,
        *,
        timeouts: Timeouts,
        on_state: Callable[[SpeechEngineState], None] = lambda _: None,
        explain: Callable[[], Reason | None] = lambda: None,
    ) -> None:
        # httpx, which the video entry uses, would cost a tenth of all work on a stream.
        self._session = ClientSession(
            # Unlimited here, because the fair queue already limits the connections.
            connector=TCPConnector(limit=0),
            cookie_jar=DummyCookieJar(),
            timeout=ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT),
            headers={"Accept-Encoding": "identity"},
        )
        self._url = URL(url)
        self._routes = {mode: self._url / route for mode, route in ROUTES.items()}
        self._timeouts = timeouts
        self._on_state = on_state
        self._explain = explain
        self._registered: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._can_register = True
        self.state = SpeechEngineState(EngineStatus.UNREACHABLE)

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    # State

    async def watch(self, interval: float) -> None:
        """Poll the engine's health; runs until cancelled."""
        while True:
            await self.refresh()
            await asyncio.sleep(interval)

    async def refresh(self) -> SpeechEngineState:
        """Read the engine's current state."""
        try:
            async with (
                asyncio.timeout(HEALTH_TIMEOUT),
                self._session.get(self._url / "health", allow_redirects=False) as response,
            ):
                state = parse_health(json_of(await short_answer(response)))
        except NETWORK_ERRORS:
            state = SpeechEngineState(EngineStatus.UNREACHABLE, model=self.state.model)
        if state.status in (EngineStatus.FAILED, EngineStatus.UNREACHABLE):
            state = replace(state, reason=self._explain() or state.reason)
        self._become(state)
        return state

    def _become(self, state: SpeechEngineState) -> None:
        if state.status is not self.state.status:
            log.info(
                "engine state",
                state=state.status.value,
                model=state.model,
                reason=state.reason.en if state.reason else None,
            )
            if state.is_ready:
                # It may be a different engine now, with other abilities.
                self._can_register = True
        self.state = state
        self._on_state(state)

    def require_ready(self) -> None:
        """Require that synthesis can work.

        Raises:
            GatewayError: 503 with the state as a sentence.
        """
        if not self.state.is_ready:
            raise not_ready(self.state)

    # Voices

    async def register(self, reference: Reference) -> str | None:
        """Have the reference analysed once; later requests name the voice.

        Returns:
            The engine's name for it; None if the engine can't store voices.

        Raises:
            GatewayError: the engine refused the reference or can't be reached.
        """
        key = (reference.sha256, reference.prompt_text)
        known = self._registered.get(key)
        if known is not None:
            self._registered.move_to_end(key)
            return known
        if not self._can_register:
            return None
        form = with_audio({"prompt_text": reference.prompt_text}, await read(reference))
        try:
            async with (
                asyncio.timeout(REGISTER_TIMEOUT),
                self._session.post(self._url / "voices", data=form, allow_redirects=False) as response,
            ):
                body = await short_answer(response)
        except NETWORK_ERRORS as error:
            raise network_failure(error) from error
        if response.status in (404, 405):
            self._can_register = False
            return None
        if response.status >= 300:
            raise refusal_of(response, body)
        name = name_in(body)
        self._registered[key] = name
        if len(self._registered) > REMEMBERED_VOICES:
            self._registered.popitem(last=False)
        return name

    async def copy_name(self, reference: Reference) -> str:
        """The engine's name for its copy of a reference, see ``docs/engine-api.md``.

        Raises:
            GatewayError: ``voice_not_found`` (404): the file no longer exists.
        """
        content = await read(reference)
        digest = hashlib.sha256(content + b"\0" + reference.prompt_text.encode())
        return f"ev_{digest.hexdigest()[:32]}"

    async def forget(self, name: str) -> None:
        """Have the engine delete its copy of a reference; does nothing if it can't be reached or has none."""
        self._registered = OrderedDict((key, known) for key, known in self._registered.items() if known != name)
        try:
            async with (
                asyncio.timeout(FORGET_TIMEOUT),
                self._session.delete(self._url / "voices" / name, allow_redirects=False) as response,
            ):
                log.info("engine's copy of a deleted voice", name=name, status=response.status)
        except NETWORK_ERRORS as error:
            log.warning("engine keeps its copy of a deleted voice", name=name, error=repr(error))

    # Speech

    async def speak(self, order: SpeechOrder, reference: Reference, *, stream: bool) -> CosyVoiceAudio:
        """Have an order spoken; the caller closes the result.

        Args:
            order: text and manner.
            reference: the voice's reference audio.
            stream: chunks as the model makes them, instead of one per segment of text.

        Raises:
            GatewayError: the engine rejected it, is not ready, or can't be reached.
            StreamBroken: it disconnected before the first sample.
        """
        response = await self._request(order, reference, stream=stream)
        try:
            return CosyVoiceAudio(response, model=self.state.model, idle=self._timeouts.idle)
        except GatewayError:
            response.release()
            raise

    async def _request(self, order: SpeechOrder, reference: Reference, *, stream: bool) -> ClientResponse:
        """The registered voice; if the engine has forgotten it, the reference itself."""
        name = await self.register(reference)
        fields = fields_of(order, stream=stream)
        if name is not None:
            try:
                return await self._send(order.mode, urlencode({**fields, "voice_id": name}).encode(), FORM)
            except VoiceForgotten:
                log.info("engine forgot a voice", voice_id=order.voice_id)
                self._registered.pop((reference.sha256, reference.prompt_text), None)
        return await self._send(order.mode, with_audio(fields, await read(reference)))

    async def _send(
        self, mode: SpeechMode, form: bytes | FormData, headers: Mapping[str, str] | None = None
    ) -> ClientResponse:
        try:
            async with asyncio.timeout(self._timeouts.first_byte):
                response = await self._session.post(
                    self._routes[mode], data=form, headers=headers, allow_redirects=False
                )
                if response.status == 200:
                    return response
                async with response:
                    body = await short_answer(response)
        except NETWORK_ERRORS as error:
            raise network_failure(error) from error
        if response.status == 404 and isinstance(form, bytes):
            raise VoiceForgotten
        raise refusal_of(response, body)
