"""Text that is streamed in over a WebSocket, and the sound that leaves sentence by sentence."""

import asyncio
import contextlib
import json
import struct
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.support.front import running_front
from tests.support.raw_http import connected, until
from tests.support.voice import VoiceBench, voice_bench

PATH = "/v1/audio/speech/stream"


@contextlib.asynccontextmanager
async def stream(
    url: str, *, path: str = PATH, config: dict[str, Any] | None = None, **more: Any
) -> AsyncIterator[Any]:
    address = url.replace("http://", "ws://") + path
    async with connect(address, open_timeout=20, proxy=None, **more) as socket:
        if config is not None:
            await say(socket, "session.config", **config)
        yield socket


async def say(socket: ClientConnection, kind: str, **fields: Any) -> None:
    await socket.send(json.dumps({"type": kind, **fields}))


async def hear(socket: ClientConnection, last: str) -> tuple[list[dict[str, Any]], list[bytes]]:
    """Messages and sound up to the message of a type."""
    messages: list[dict[str, Any]] = []
    sounds: list[bytes] = []
    async with asyncio.timeout(60):
        while not messages or messages[-1]["type"] != last:
            received = await socket.recv()
            if isinstance(received, bytes):
                sounds.append(received)
            else:
                messages.append(json.loads(received))
    return messages, sounds


async def test_each_sentence_is_spoken_as_soon_as_it_is_complete(bench: VoiceBench) -> None:
    async with stream(bench.url, config={"voice": "alloy", "response_format": "wav"}) as socket:
        for piece in ("Good ", "morning. And", " how are"):
            await say(socket, "input.text", text=piece)
        first, sound = await hear(socket, "audio.done")
        assert [one["type"] for one in first] == ["audio.start", "audio.done"]
        assert first[0]["sentence_text"] == "Good morning."
        assert (first[0]["utterance_index"], first[0]["sentence_index"], first[0]["format"]) == (0, 0, "wav")
        # One complete file with its right size.
        (wav,) = sound
        assert struct.unpack("<I", wav[40:44])[0] == len(wav) - 44 == first[1]["total_bytes"] - 44
        await say(socket, "input.text", text=" you?")
        await say(socket, "input.done")
        rest, sound = await hear(socket, "session.done")
        assert rest[0]["sentence_text"] == "And how are you?"
        assert len(sound) == 1
        assert rest[-1] == {"type": "session.done", "utterance_index": 0, "total_sentences": 2}
        assert rest[1]["start_ms"] == first[1]["end_ms"] == round((len(wav) - 44) / 48)
        # The connection stays for the next one.
        await say(socket, "input.text", text="Again.")
        await say(socket, "input.done")
        again, _ = await hear(socket, "session.done")
        assert (again[0]["utterance_index"], again[1]["start_ms"]) == (1, 0)
        await say(socket, "session.close")
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 1000


@pytest.mark.parametrize("kind", ["pcm", "mp3", "opus", "flac", "aac", "wav"])
@pytest.mark.parametrize("in_pieces", [False, True])
async def test_every_format(bench: VoiceBench, kind: str, in_pieces: bool) -> None:
    config = {"voice": "alloy", "response_format": kind, "stream_audio": in_pieces, "model": "x", "speed": None}
    async with stream(bench.url, config=config) as socket:
        await say(socket, "input.text", text="One sentence in some format")
        await say(socket, "input.done")
        messages, sounds = await hear(socket, "session.done")
        assert in_pieces or len(sounds) == 1
        assert sum(map(len, sounds)) == messages[1]["total_bytes"] > 500
        if kind == "pcm":
            assert (messages[0]["sample_rate"], messages[0]["channels"]) == (24000, 1)
            assert messages[1]["end_ms"] == round(messages[1]["total_bytes"] / 48)


async def test_the_whole_utterance_at_once_if_wanted(bench: VoiceBench) -> None:
    async with stream(bench.url, config={"split_granularity": "none"}) as socket:
        await say(socket, "input.text", text="One. Two. ")
        await say(socket, "input.text", text="Three.")
        await say(socket, "input.done")
        messages, _ = await hear(socket, "session.done")
        assert [one["sentence_text"] for one in messages if one["type"] == "audio.start"] == ["One. Two. Three."]


@pytest.mark.parametrize("granularity", ["sentence", "none"])
async def test_all_that_was_sent_is_heard_before_the_end(bench: VoiceBench, granularity: str) -> None:
    async with stream(bench.url, config={"split_granularity": granularity}) as socket:
        await say(socket, "input.text", text="This is complete. And this is n")
        await say(socket, "session.close")
        messages, _ = await hear(socket, "session.done")
        said = [one["sentence_text"] for one in messages if one["type"] == "audio.start"]
        assert " ".join(said) == "This is complete. And this is n"
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 1000


async def test_nothing_to_say_is_no_sentence(bench: VoiceBench) -> None:
    async with stream(bench.url) as socket:
        await say(socket, "input.text", text="... \n")
        await say(socket, "input.done")
        messages, _ = await hear(socket, "session.done")
        assert messages == [{"type": "session.done", "utterance_index": 0, "total_sentences": 0}]


async def test_cancelling_stops_the_engine_and_the_next_utterance_is_heard(tmp_path: Path) -> None:
    with voice_bench(tmp_path, engine={"preview_rtf": 1.0}) as bench:
        async with stream(
            bench.url, config={"voice": "alloy", "response_format": "pcm", "stream_audio": True}
        ) as socket:
            await say(socket, "input.text", text="This is a long story that nobody wants to hear any more. " * 20)
            await hear(socket, "audio.start")
            await say(socket, "input.cancel")
            messages, _ = await hear(socket, "session.cancelled")
            assert messages[-1] == {"type": "session.cancelled", "utterance_index": 0}
            await say(socket, "input.text", text="Short.")
            await say(socket, "input.done")
            messages, sounds = await hear(socket, "session.done")
            assert [one["sentence_text"] for one in messages if one["type"] == "audio.start"] == ["Short."]
            assert {one["utterance_index"] for one in messages} == {1}
            assert sounds


async def test_a_client_that_leaves_frees_the_engine(tmp_path: Path) -> None:
    with voice_bench(tmp_path, engine={"preview_rtf": 1.0}) as bench:
        async with stream(bench.url, config={"response_format": "pcm", "stream_audio": True}) as socket:
            await say(socket, "input.text", text="This is a long story that nobody wants to hear any more. " * 20)
            await hear(socket, "audio.start")

        def is_free() -> bool:
            return int(bench.engine.health()["queue"]["running"]) == 0

        await asyncio.to_thread(until, is_free)


WRONG: list[tuple[str, str | bytes]] = [
    ("invalid_json", "{"),
    ("invalid_json", b"\xff\xfe"),
    ("unknown_message", "[]"),
    ("unknown_message", '{"type": "nonsense"}'),
    ("missing_field", '{"type": "input.text"}'),
    ("invalid_request", '{"type": "input.text", "text": 5}'),
    ("invalid_request", '{"type": "session.config", "speed": 9}'),
    ("voice_not_found", '{"type": "session.config", "voice": "nobody"}'),
]


@pytest.mark.parametrize(("code", "message"), WRONG)
async def test_a_wrong_message_gets_a_sentence_and_harms_nothing(
    bench: VoiceBench, code: str, message: str | bytes
) -> None:
    headers = {"Accept-Language": "en"}
    async with stream(bench.url, config={}, additional_headers=headers) as socket:
        await socket.send(message)
        messages, _ = await hear(socket, "error")
        assert (messages[-1]["code"], messages[-1]["message"].isascii()) == (code, True)
        await say(socket, "input.text", text="All is well.")
        await say(socket, "input.done")
        messages, sounds = await hear(socket, "session.done")
        assert sounds
    async with stream(bench.url) as socket:
        await socket.send(message)
        messages, _ = await hear(socket, "error")
        assert messages[-1]["code"] == code
        with pytest.raises(ConnectionClosed):
            await socket.recv()


async def test_a_configuration_within_an_utterance_is_refused(bench: VoiceBench) -> None:
    async with stream(bench.url, config={}) as socket:
        await say(socket, "input.text", text="Not yet")
        await say(socket, "session.config", voice="alloy")
        messages, _ = await hear(socket, "error")
        assert messages[-1]["code"] == "unknown_message"


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VoiceBench]:
    limits = {"max_text_chars": 100, "max_openai_text_chars": 100, "text_streams_per_address": 2}
    rules = {"text_stream_idle_timeout": 0.5, "api_key": "good-key", "cors_origins": "https://app.example"}
    folder = tmp_path_factory.mktemp("strict")
    with voice_bench(folder, ready=False, **limits, **rules) as bench:
        yield bench.wait_until_ready()


KEY = {"Authorization": "Bearer good-key"}


async def test_limits_of_length_and_silence(strict: VoiceBench) -> None:
    async with stream(strict.url, config={}, additional_headers=KEY) as socket:
        await say(socket, "input.text", text="x" * 101)
        messages, _ = await hear(socket, "error")
        assert messages[-1]["code"] == "text_too_long"
        messages, _ = await hear(socket, "error")
        assert messages[-1]["code"] == "stream_idle"
        with pytest.raises(ConnectionClosed):
            await socket.recv()
    async with stream(strict.url, additional_headers=KEY) as socket:
        with pytest.raises(ConnectionClosed):
            await socket.send("x" * 200_000)
            await socket.recv()
        assert socket.close_code == 1009


async def test_an_address_has_so_many(strict: VoiceBench) -> None:
    async with (
        stream(strict.url, additional_headers=KEY),
        stream(strict.url, additional_headers=KEY),
    ):
        refused = await refusal(strict.url, additional_headers=KEY)
        assert (refused.status_code, json.loads(refused.body)["error"]["code"]) == (429, "too_many_streams")
        assert refused.headers["Retry-After"]
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(InvalidStatus):
                async with stream(strict.url, additional_headers=KEY):
                    break


async def refusal(url: str, **more: Any) -> Any:
    with pytest.raises(InvalidStatus) as refused:
        async with stream(url, **more):
            pass
    return refused.value.response


async def test_keys_and_sites_as_for_every_other_call(strict: VoiceBench) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"X-API-Key": "wrong"}):
        refused = await refusal(strict.url, additional_headers=headers)
        assert (refused.status_code, json.loads(refused.body)["error"]["code"]) == (401, "unauthorized")
    foreign = await refusal(strict.url, additional_headers=KEY, origin="https://evil.example")
    assert (foreign.status_code, json.loads(foreign.body)["error"]["code"]) == (403, "cross_site")
    for way in (
        {"additional_headers": {"X-API-Key": "good-key"}},
        {"additional_headers": KEY, "origin": "https://app.example"},
        {"subprotocols": ["realtime", "openai-insecure-api-key.good-key"]},
    ):
        async with stream(strict.url, config={}, **way) as socket:  # type: ignore[arg-type]
            assert socket.subprotocol in (None, "realtime")
            await say(socket, "input.text", text="Let in.")
            await say(socket, "input.done")
            assert (await hear(socket, "session.done"))[1]


@pytest.mark.parametrize("host", ["evil.example", "x"])
def test_a_host_name_that_is_not_the_servers_is_refused(strict: VoiceBench, host: str) -> None:
    with connected(strict.gateway.port) as client:
        asking = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
        own = ("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "X-API-Key: good-key")
        status, _, body = client.send(f"GET {PATH} HTTP/1.1", f"Host: {host}", *asking, *own).answer()
    assert (status, json.loads(body)["error"]["code"]) == (421, "unknown_host")


async def test_a_device_is_named_by_header_path_or_message(bench: VoiceBench, voice: str) -> None:
    ways: list[dict[str, Any]] = [
        {"additional_headers": {"X-Device-ID": "device-1"}},
        {"path": "/device/device-1" + PATH},
        {"path": "/device/device-1/audio/speech/stream"},
        {"additional_headers": {"Authorization": "Bearer device=device-1"}},
        {"config": {"device_id": "device-1"}},
    ]
    for way in ways:
        config = {"voice": "Anna", **way.pop("config", {})}
        async with stream(bench.url, config=config, **way) as socket:
            await say(socket, "input.text", text="By name.")
            await say(socket, "input.done")
            assert (await hear(socket, "session.done"))[1]


async def test_elsewhere_there_is_no_websocket(bench: VoiceBench) -> None:
    refused = await refusal(bench.url, path="/v1/tts")
    assert refused.status_code == 404
    plain = await asyncio.to_thread(requests.get, bench.url + PATH, timeout=10)
    assert (plain.status_code, plain.json()["error"]["code"]) == (426, "upgrade_required")


async def test_through_the_front(bench: VoiceBench, tmp_path: Path) -> None:
    address = f"127.0.0.1:{bench.gateway.port}"
    with running_front(tmp_path / "front", voice=address, front_idle_timeout=1, front_keep_alive=1) as front:
        async with stream(front.voice, config={"response_format": "pcm", "stream_audio": True}) as socket:
            # Longer than an ordinary connection may be idle.
            await asyncio.sleep(2.5)
            await say(socket, "input.text", text="Still here. And here.")
            await say(socket, "input.done")
            messages, sounds = await hear(socket, "session.done")
            assert messages[-1]["total_sentences"] == 2
            assert sounds
        foreign = await refusal(front.voice, origin="https://evil.example")
        assert foreign.status_code == 403


async def test_a_stopping_entry_closes_its_streams(tmp_path: Path) -> None:
    with voice_bench(tmp_path) as bench:
        async with stream(bench.url, config={}) as socket:
            await say(socket, "input.text", text="One.")
            await asyncio.to_thread(bench.gateway.stop)
            with pytest.raises(ConnectionClosed):
                while True:
                    await socket.recv()
