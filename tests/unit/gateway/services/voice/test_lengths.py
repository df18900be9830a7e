"""Speech far too short or too long for its text is made once more, said, and not kept for good."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.domain.voice.speech import AudioFormat
from gateway.domain.voice.spoken.length import LengthDoubt
from gateway.infrastructure.voice import speech
from tests.support.second_engine import PIECE_SAMPLES, ToneEngine
from tests.support.voice_parts import VoiceServices, order, voice_services

# Between about 6 and 60 seconds long.
TEXT = "The children walk across the old bridge every evening. " * 5
RIGHT, SHORT, LONG = 150, 7, 2000


async def until(condition: Callable[[], bool]) -> None:
    """Give other tasks the loop until the condition holds; the test's own timeout ends a wait in vain."""
    while True:
        if condition():
            return
        await asyncio.sleep(0.005)


def pieces_of(wav: bytes) -> int:
    return (len(wav) - 44) // (2 * PIECE_SAMPLES)


async def doubt_of(services: VoiceServices, kind: AudioFormat = AudioFormat.WAV) -> LengthDoubt | None:
    return (await services.synthesis.make(order(TEXT, kind), services.speaker)).doubt


@pytest.mark.parametrize(
    ("lengths", "kept", "doubt", "requests"),
    [
        ((RIGHT,), RIGHT, None, 1),
        ((SHORT, RIGHT), RIGHT, None, 2),
        ((LONG, RIGHT), RIGHT, None, 2),
        ((SHORT, SHORT, RIGHT), SHORT, LengthDoubt.TOO_SHORT, 2),
        ((SHORT, LONG), LONG, LengthDoubt.TOO_LONG, 2),
    ],
)
@pytest.mark.parametrize("kind", [AudioFormat.WAV, AudioFormat.FLAC])
async def test_a_whole_answer_is_made_once_more(
    tmp_path: Path,
    lengths: tuple[int, ...],
    kept: int,
    doubt: LengthDoubt | None,
    requests: int,
    kind: AudioFormat,
) -> None:
    engine = ToneEngine(lengths=lengths)
    with capture_logs() as logs:
        async with voice_services(tmp_path, engine, check_length=True) as services:
            finished = await services.synthesis.make(order(TEXT, kind), services.speaker)
            assert finished.seconds == pytest.approx(kept / 10)
            assert finished.doubt is doubt
            assert len(engine.orders) == requests
            assert await doubt_of(services, kind) is doubt
    said = [entry["outcome"] for entry in logs if entry["event"] == "unlikely length of speech"]
    assert said == (["repeated"] * (requests - 1) + ["kept"] * (doubt is not None))


async def begun_stream(services: VoiceServices, engine: ToneEngine, pieces: int) -> bytes:
    """A stream whose client has got some of its pieces before the engine ends."""
    async with aclosing(services.synthesis.stream(order(TEXT), services.speaker)) as stream:
        engine.release(5)
        content = [await anext(stream)]
        engine.release(pieces - 5)
        content += [piece async for piece in stream]
    await until(lambda: not services.synthesis._running)
    return b"".join(content)


async def test_a_stream_that_has_begun_is_not_taken_back(tmp_path: Path) -> None:
    engine = ToneEngine(gated=True, lengths=(SHORT, RIGHT))
    async with voice_services(tmp_path, engine, check_length=True) as services:
        assert pieces_of(await begun_stream(services, engine, SHORT)) == SHORT
        assert await services.streamed(order(TEXT, AudioFormat.MP3))
        assert len(engine.orders) == 1
        assert await doubt_of(services) is LengthDoubt.TOO_SHORT
        assert await doubt_of(services, AudioFormat.MP3) is LengthDoubt.TOO_SHORT


@pytest.mark.parametrize("kind", [AudioFormat.WAV, AudioFormat.FLAC])
async def test_a_stream_that_has_not_begun_is_made_again(tmp_path: Path, kind: AudioFormat) -> None:
    engine = ToneEngine(lengths=(SHORT, RIGHT))
    async with voice_services(tmp_path, engine, check_length=True) as services:
        assert await services.streamed(order(TEXT, kind))
        assert len(engine.orders) == 2
        assert await doubt_of(services, kind) is None


async def test_the_next_request_is_the_second_attempt_of_a_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speech, "MADE_ONCE_SECONDS", 0.0)
    engine = ToneEngine(gated=True, lengths=(SHORT, SHORT, RIGHT))
    async with voice_services(tmp_path, engine, check_length=True) as services:
        assert pieces_of(await begun_stream(services, engine, SHORT)) == SHORT
        assert pieces_of(await begun_stream(services, engine, SHORT)) == SHORT
        # Twice the same: perhaps the text is strange. It is served for a while.
        assert pieces_of(await services.streamed(order(TEXT))) == SHORT
        assert len(engine.orders) == 2
        monkeypatch.setattr(speech, "DOUBTED_SECONDS", 0.0)
        assert pieces_of(await begun_stream(services, engine, RIGHT)) == RIGHT
        assert await doubt_of(services) is None


async def test_a_stream_that_joins_a_whole_answer_gets_all_of_it(tmp_path: Path) -> None:
    engine = ToneEngine(gated=True, lengths=(SHORT, RIGHT))
    async with voice_services(tmp_path, engine, check_length=True) as services:
        whole = asyncio.create_task(services.whole(order(TEXT)))
        await until(lambda: bool(engine.orders))
        assert pieces_of(await begun_stream(services, engine, SHORT)) == SHORT
        assert pieces_of(await whole) == SHORT
        assert len(engine.orders) == 1


async def test_doubted_speech_is_served_for_a_while_and_then_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = ToneEngine(lengths=(SHORT, SHORT, RIGHT))
    async with voice_services(tmp_path, engine, check_length=True) as services:
        assert pieces_of(await services.whole(order(TEXT))) == SHORT
        assert pieces_of(await services.whole(order(TEXT))) == SHORT
        assert len(engine.orders) == 2
        monkeypatch.setattr(speech, "DOUBTED_SECONDS", 0.0)
        assert pieces_of(await services.whole(order(TEXT))) == RIGHT
        assert pieces_of(await services.whole(order(TEXT))) == RIGHT
        assert len(engine.orders) == 3


async def test_pauses_count_and_speed_does_too(tmp_path: Path) -> None:
    engine = ToneEngine(lengths=(8, 8))
    text = 'Hello. <break time="9000ms"/> Bye.'
    async with voice_services(tmp_path, engine, check_length=True) as services:
        finished = await services.synthesis.make(order(text), services.speaker)
        assert finished.doubt is None
        assert finished.seconds == pytest.approx(10.6)


async def test_without_the_check_every_length_is_right(tmp_path: Path) -> None:
    engine = ToneEngine(lengths=(SHORT,))
    async with voice_services(tmp_path, engine) as services:
        assert pieces_of(await services.whole(order(TEXT))) == SHORT
        assert await doubt_of(services) is None
