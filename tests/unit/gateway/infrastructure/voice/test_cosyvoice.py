"""The engine's client against engines that do not keep to what was agreed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.voice.engine import EngineStatus
from gateway.domain.voice.ports import Reference, StreamBroken
from gateway.domain.voice.speech import SpeechMode, SpeechOrder
from gateway.infrastructure.voice.cosyvoice import CosyVoice, Timeouts
from tests.support.servers import free_port

SOON = 0.2
ORDER = SpeechOrder("v_1", "0" * 64, "Hello.", SpeechMode.CROSS_LINGUAL)
RATE = {"X-Sample-Rate": "24000"}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def named(_: web.Request) -> web.StreamResponse:
    return web.json_response({"voice_id": "ev_1"}, status=201)


async def elsewhere(_: web.Request) -> web.StreamResponse:
    raise web.HTTPFound("http://127.0.0.1:9/elsewhere")


async def nonsense(_: web.Request) -> web.StreamResponse:
    return web.Response(text="<html>welcome</html>")


async def endless(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    while True:
        await answer.write(bytes(1 << 16))


async def failing_without_end(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(status=500)
    await answer.prepare(request)
    await answer.write(b"{")
    await asyncio.sleep(60)
    return answer


async def cut(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(headers=RATE)
    await answer.prepare(request)
    await answer.write(bytes(100))
    assert request.transport is not None
    request.transport.abort()
    return answer


async def pausing(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(headers=RATE)
    await answer.prepare(request)
    await answer.write(bytes(100))
    await asyncio.sleep(60)
    return answer


async def rateless(_: web.Request) -> web.StreamResponse:
    return web.Response(body=bytes(100))


@asynccontextmanager
async def client_of(url: str) -> AsyncIterator[CosyVoice]:
    client = CosyVoice(url, timeouts=Timeouts(first_byte=SOON, idle=SOON))
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def engine(
    *, voices: Handler = named, speech: Handler = rateless, health: Handler = nonsense
) -> AsyncIterator[CosyVoice]:
    app = web.Application()
    app.router.add_post("/voices", voices)
    app.router.add_post("/inference_cross_lingual", speech)
    app.router.add_get("/health", health)
    async with TestServer(app) as server, client_of(str(server.make_url("/"))) as client:
        yield client


@pytest.fixture
def reference(tmp_path: Path) -> Reference:
    (tmp_path / "reference.wav").write_bytes(b"RIFF")
    return Reference(tmp_path / "reference.wav", "0" * 64, "")


async def refusal(client: CosyVoice, reference: Reference) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        await client.speak(ORDER, reference, stream=True)
    return caught.value


@pytest.mark.parametrize("voices", [elsewhere, nonsense, endless])
async def test_an_engine_that_does_not_name_the_voice_is_detected(voices: Handler, reference: Reference) -> None:
    async with engine(voices=voices) as client:
        assert (await refusal(client, reference)).kind is ErrorKind.ENGINE_FAILED


async def test_an_engine_that_names_no_sample_rate_is_refused(reference: Reference) -> None:
    async with engine(speech=rateless) as client:
        error = await refusal(client, reference)
    assert error.kind is ErrorKind.ENGINE_FAILED
    assert "sample rate" in error.en


async def test_a_failure_whose_text_never_ends_is_not_waited_for(reference: Reference) -> None:
    async with engine(speech=failing_without_end) as client, asyncio.timeout(10):
        with pytest.raises(StreamBroken):
            await client.speak(ORDER, reference, stream=True)


@pytest.mark.parametrize("speech", [cut, pausing])
async def test_an_answer_that_ends_early_or_stalls_is_broken(speech: Handler, reference: Reference) -> None:
    async with engine(speech=speech) as client, asyncio.timeout(10):
        with closing(await client.speak(ORDER, reference, stream=True)) as audio:
            assert audio.sample_rate == 24000
            with pytest.raises(StreamBroken):
                async for _ in audio:
                    pass


async def test_an_engine_that_is_not_there_is_unreachable(reference: Reference) -> None:
    async with client_of(f"http://127.0.0.1:{free_port()}") as client:
        assert (await client.refresh()).status is EngineStatus.UNREACHABLE
        error = await refusal(client, reference)
    assert (error.kind, error.code) == (ErrorKind.TEMPORARY, "engine_unreachable")


@pytest.mark.parametrize("health", [elsewhere, nonsense, endless])
async def test_an_invalid_health_is_a_failure_with_its_reason(health: Handler) -> None:
    async with engine(health=health) as client, asyncio.timeout(10):
        state = await client.refresh()
    assert state.status is EngineStatus.FAILED
    assert state.reason is not None
    assert "Twinport's server.py" in state.reason.en
