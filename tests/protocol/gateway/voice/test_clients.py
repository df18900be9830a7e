"""Programs that people use with OpenAI's speech API run unchanged, though they can name neither device nor voice."""

import asyncio
import json
from collections.abc import Iterator

import aiohttp
import openai
import pytest
import requests

from tests.support.clients import heard_by
from tests.support.voice import VoiceBench, voice_bench


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VoiceBench]:
    """An entry whose engine really speaks, and on which nobody has a voice."""
    with voice_bench(tmp_path_factory.mktemp("spoken"), engine={}) as bench:
        yield bench


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_livekits_plugin_with_its_default_model(spoken: VoiceBench) -> None:
    heard = heard_by("livekit_plugin.py", spoken.url)
    assert heard["rate"] == 24000
    assert heard["seconds"] > 1.5
    assert heard["loudest"] > 1000


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_pipecats_service(spoken: VoiceBench) -> None:
    heard = heard_by("pipecat_service.py", spoken.url)
    assert heard["errors"] == []
    assert heard["seconds"] > 0.5


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_litellm(spoken: VoiceBench) -> None:
    heard = heard_by("litellm_speech.py", spoken.url)
    assert heard["mp3"] > 10_000
    assert heard["wav"] == "RIFF"


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_openai_for_node_and_lobechat(spoken: VoiceBench) -> None:
    heard = heard_by("openai_node.mjs", spoken.url)
    assert set(heard["heard"]) == {"mp3", "opus", "aac", "flac", "wav", "pcm"}
    assert min(heard["heard"].values()) > 3000
    assert heard["lobe"] > 10_000
    assert set(heard["types"]) == {"speech.audio.delta", "speech.audio.done"}
    assert heard["usage"]["total_tokens"] == heard["usage"]["input_tokens"] + heard["usage"]["output_tokens"] > 0
    assert "gpt-4o-mini-tts" in heard["models"]
    assert heard["refused"] == {"status": 404, "code": "voice_not_found"}


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_ai_sdk(spoken: VoiceBench) -> None:
    sizes = heard_by("ai_sdk.mjs", spoken.url)["sizes"]
    assert [size["type"] for size in sizes] == ["audio/mpeg", "audio/mpeg"]
    assert min(size["bytes"] for size in sizes) > 10_000


async def test_home_assistant(spoken: VoiceBench) -> None:
    """The call of its integration ``openai_conversation``, which passes on a prompt that was never set."""
    async with openai.AsyncOpenAI(base_url=spoken.url + "/v1", api_key="none", max_retries=0) as client:
        for speed in (0.25, 1.0, 4.0):
            async with client.audio.speech.with_streaming_response.create(
                model="gpt-4o-mini-tts",
                voice="marin",
                input="The front door is open.",
                instructions=str(None),
                speed=speed,
                response_format="mp3",
            ) as response:
                sound = b"".join([chunk async for chunk in response.iter_bytes()])
            assert len(sound) > 1000


async def test_open_webui(spoken: VoiceBench) -> None:
    """The calls of its router ``audio.py``."""
    base = spoken.url + "/v1"
    models = await asyncio.to_thread(lambda: requests.get(f"{base}/audio/models", timeout=10).json())
    assert {"tts-1", "tts-1-hd"} <= {model["id"] for model in models["models"]}
    voices = await asyncio.to_thread(lambda: requests.get(f"{base}/audio/voices", timeout=10).json())
    available = {voice["id"]: voice["name"] for voice in voices["voices"]}
    assert available == {"alloy": "alloy"}
    headers = {
        "Content-Type": "application/json",
        "Authorization": "Bearer ",
        "X-OpenWebUI-User-Name": "Anna",
        "X-OpenWebUI-User-Id": "1",
    }
    payload = {"input": "Hello from Open WebUI.", "voice": next(iter(available)), "model": "tts-1"}
    async with (
        aiohttp.ClientSession(trust_env=False) as session,
        session.post(url=f"{base}/audio/speech", json=payload, headers=headers) as answer,
    ):
        answer.raise_for_status()
        assert len(await answer.read()) > 1000


@pytest.mark.parametrize("text", ["Hello from SillyTavern.", ""])
def test_sillytavern(spoken: VoiceBench, text: str) -> None:
    """The call that its server makes for the provider "OpenAI Compatible", for what it finds to read in a message."""
    body = {"input": text, "response_format": "mp3", "voice": "shimmer", "speed": 1, "model": "tts-1"}
    answer = requests.post(
        spoken.url + "/v1/audio/speech",
        headers={"Content-Type": "application/json", "Authorization": "Bearer "},
        data=json.dumps(body),
        timeout=60,
    )
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "audio/mpeg"
    assert answer.content
