"""Each order is made once, whoever asks, however slowly they read, and with whichever engine."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import struct
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.domain.errors import GatewayError
from gateway.domain.storage import storage_broken
from gateway.domain.voice.ports import StreamBroken
from gateway.domain.voice.speech import AudioFormat, SpeechMode
from gateway.domain.voice.voice import VoiceStatus
from gateway.infrastructure.voice.finished_files import frame_bytes
from gateway.infrastructure.voice.growing_file import GrowingFile
from gateway.services.voice import production
from gateway.services.voice.producer import Speaker
from gateway.services.voice.training import NewVoice
from tests.support.open_files import open_below, until
from tests.support.second_engine import PIECE_SAMPLES, RATE, ToneEngine
from tests.support.voice import spoken_wav
from tests.support.voice_parts import VoiceServices, order, voice_services

PIECE_BYTES = 2 * PIECE_SAMPLES


async def trained(services: VoiceServices, folder: Path) -> Speaker:
    """A voice of a real recording, and its speaker."""
    upload = folder / "incoming" / "upload"
    upload.write_bytes(spoken_wav())
    digest = hashlib.sha256(upload.read_bytes()).hexdigest()
    voice = await services.training.train(
        NewVoice("device-1", "Anna", "", upload, "a.wav", digest, upload.stat().st_size)
    )
    while True:
        found = await services.voices.get(voice.id, device_id="device-1")
        assert found is not None
        if found.status in (VoiceStatus.READY, VoiceStatus.FAILED):
            break
        await asyncio.sleep(0.02)
    assert found.status is VoiceStatus.READY
    assert found.created_at <= datetime.now(UTC)
    return Speaker("device-1", services.training.reference_of(found))


async def test_a_second_engine_trains_speaks_and_streams_at_its_own_rate(tmp_path: Path) -> None:
    engine = ToneEngine()
    async with voice_services(tmp_path, engine) as untrained:
        services = replace(untrained, speaker=await trained(untrained, tmp_path))
        whole = await services.whole(order("Whole."))
        assert struct.unpack("<I", whole[24:28])[0] == RATE
        assert len(whole) == 44 + engine.pieces * PIECE_BYTES
        streamed = await services.streamed(order("Streamed."))
        assert struct.unpack("<II", streamed[24:28] + streamed[40:44]) == (RATE, 0xFFFFFFFF)
        assert len(streamed) == len(whole)
        resampled = await services.streamed(order("Streamed.", AudioFormat.PCM, sample_rate=24000))
        assert len(resampled) == pytest.approx((len(streamed) - 44) * 24000 / RATE, rel=0.01)
        assert len(engine.orders) == 2
        with pytest.raises(GatewayError) as refused:
            await services.whole(order("Sung.", mode=SpeechMode.INSTRUCT, instruct_text="Sing."))
        assert refused.value.code == "mode_not_supported"


async def test_an_order_is_made_once_for_all_who_want_it_in_every_format(tmp_path: Path) -> None:
    engine = ToneEngine(gated=True)
    async with voice_services(tmp_path, engine) as services:
        wanted = [
            asyncio.create_task(services.streamed(order("Same."))),
            asyncio.create_task(services.streamed(order("Same.", AudioFormat.PCM))),
            asyncio.create_task(services.whole(order("Same."))),
            asyncio.create_task(services.streamed(order("Same.", AudioFormat.MP3))),
            asyncio.create_task(services.whole(order("Same.", AudioFormat.FLAC))),
        ]
        engine.release(engine.pieces)
        wav, pcm, whole, mp3, flac = await asyncio.gather(*wanted)
        later = [await services.streamed(order("Same.", kind)) for kind in (AudioFormat.PCM, AudioFormat.MP3)]
        assert wav[44:] == pcm == whole[44:] == later[0]
        # The stored file's first frame has the length, which a stream can't know.
        frame = frame_bytes(mp3[:4])
        assert (len(mp3), mp3[frame:]) == (len(later[1]), later[1][frame:])
        assert flac[:4] == b"fLaC"
        assert len(engine.orders) == 1


async def test_a_stalled_reader_holds_no_slot_and_still_gets_everything(tmp_path: Path) -> None:
    async with voice_services(tmp_path, ToneEngine(pieces=300)) as services:
        async with aclosing(services.synthesis.stream(order("Slow.", AudioFormat.PCM), services.speaker)) as slow:
            got = [await anext(slow)]
            assert await services.whole(order("Next."))
            got += [piece async for piece in slow]
        assert len(b"".join(got)) == 300 * PIECE_BYTES


async def test_a_stream_that_was_cut_is_not_made_twice(tmp_path: Path) -> None:
    engine = ToneEngine(gated=True)
    async with voice_services(tmp_path, engine) as services:
        async with aclosing(services.synthesis.stream(order("Cut."), services.speaker)) as cut:
            engine.release(1)
            head = await anext(cut)
        again = asyncio.create_task(services.streamed(order("Cut.")))
        engine.release(engine.pieces)
        assert (await again).startswith(head)
        assert len(engine.orders) == 1


async def test_the_engine_stops_once_nobody_follows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(production, "LINGER_SECONDS", 0.01)
    engine = ToneEngine(gated=True)
    async with voice_services(tmp_path, engine) as services:
        for kind in (AudioFormat.WAV, AudioFormat.MP3):
            reading = asyncio.create_task(services.streamed(order("Left.", kind)))
            await until(lambda: engine.speaking == 1)
            reading.cancel()
            await until(lambda: engine.speaking == 0)
        engine.release(engine.pieces)
        assert await services.whole(order("The slot is free."))
        assert [path.suffix for path in services.store.folder.iterdir()] == [".wav"]


@pytest.fixture
def no_collections() -> Iterator[None]:
    """Whatever closes a file, it is not the garbage collector, which a server lets run rarely."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collections")
@pytest.mark.parametrize("kind", [AudioFormat.WAV, AudioFormat.PCM, AudioFormat.MP3])
async def test_no_file_of_abandoned_speech_stays_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: AudioFormat
) -> None:
    monkeypatch.setattr(production, "LINGER_SECONDS", 0.01)
    engine = ToneEngine(pieces=400, gated=True)
    async with voice_services(tmp_path, engine) as services:
        readings = []
        for number in range(3):
            async with aclosing(services.synthesis.stream(order(f"Left {number}.", kind), services.speaker)) as left:
                engine.release(200)
                readings.append(await anext(left))
                await until(lambda: bool(open_below(services.store.folder)))
            await until(lambda: engine.speaking == 0)
            await until(lambda: open_below(services.store.folder) == [])
        assert all(readings)


@pytest.mark.usefixtures("no_collections")
@pytest.mark.parametrize("kind", [AudioFormat.WAV, AudioFormat.PCM, AudioFormat.MP3])
async def test_no_file_of_stored_speech_stays_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: AudioFormat
) -> None:
    async with voice_services(tmp_path, ToneEngine()) as services:
        stored = order("Stored.")
        await services.whole(stored)
        wanted = replace(stored, audio_format=kind)

        async def read_and_leave() -> None:
            async with aclosing(services.synthesis.stream(wanted, services.speaker)) as left:
                await anext(left)
                raise TimeoutError

        with pytest.raises(TimeoutError):
            await read_and_leave()
        with monkeypatch.context() as broken:
            broken.setattr(GrowingFile, "read", _unreadable)
            with pytest.raises(GatewayError) as refused:
                await services.streamed(wanted)
            assert refused.value.code == "storage_broken"
        await until(lambda: open_below(services.store.folder) == [])


async def _unreadable(_: GrowingFile, offset: int) -> bytes:
    assert offset == 0
    raise storage_broken()


async def test_a_whole_answer_is_made_for_a_client_that_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(production, "LINGER_SECONDS", 0.01)
    engine = ToneEngine(gated=True)
    async with voice_services(tmp_path, engine) as services:
        waiting = asyncio.create_task(services.whole(order("Wanted.")))
        await until(lambda: engine.speaking == 1)
        waiting.cancel()
        streaming = asyncio.create_task(services.streamed(order("Wanted.")))
        engine.release(1)
        await asyncio.sleep(0.05)
        streaming.cancel()
        await asyncio.sleep(0.05)
        engine.release(engine.pieces)
        assert await services.whole(order("Wanted."))
        assert len(engine.orders) == 1


async def test_who_got_some_of_a_broken_attempt_is_cut_and_the_rest_get_the_next(tmp_path: Path) -> None:
    engine = ToneEngine(gated=True, breaks=(3,))
    async with voice_services(tmp_path, engine) as services:
        reading = asyncio.create_task(services.streamed(order("Broken.")))
        whole = asyncio.create_task(services.whole(order("Broken.")))
        await until(lambda: engine.speaking == 1)
        engine.release(3)
        with pytest.raises(StreamBroken):
            await reading
        late = asyncio.create_task(services.streamed(order("Broken.")))
        engine.release(engine.pieces)
        assert (await whole)[44:] == (await late)[44:]
        assert len(engine.orders) == 2


@pytest.mark.parametrize("kind", [AudioFormat.WAV, AudioFormat.PCM, AudioFormat.MP3])
async def test_an_engine_that_gives_nothing_is_an_error_and_leaves_no_file(tmp_path: Path, kind: AudioFormat) -> None:
    async with voice_services(tmp_path, ToneEngine(breaks=(0, 0))) as services:
        with pytest.raises(GatewayError) as caught:
            await services.streamed(order("Broken.", kind))
        assert caught.value.code == "engine_stream_broken"
        assert list(services.store.folder.iterdir()) == []


async def test_a_deleted_voice_falls_silent_for_everybody(tmp_path: Path) -> None:
    engine = ToneEngine(gated=True)
    async with voice_services(tmp_path, engine) as services:
        wanted = order("Deleted.")
        waiting = [asyncio.create_task(services.streamed(wanted)), asyncio.create_task(services.whole(wanted))]
        await until(lambda: engine.speaking == 1)
        engine.release(2)
        await services.synthesis.forget_voice(wanted.voice_id)
        for task in waiting:
            with pytest.raises(GatewayError) as caught:
                await task
            assert caught.value.code == "voice_not_found"
        assert engine.speaking == 0
