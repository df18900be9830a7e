"""A text with pauses: its parts one after the other, and silence of the right length between them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gateway.domain.errors import GatewayError
from gateway.domain.voice.engine import EngineStatus, SpeechEngineState, not_ready
from gateway.domain.voice.ports import EngineAudio, Reference
from gateway.domain.voice.speech import AudioFormat, SpeechOrder
from tests.support.second_engine import PIECE_SAMPLES, RATE, ToneEngine
from tests.support.voice_parts import order, voice_services

TEXT = '<break time="200ms"/> One. <break time="1500ms"/> Two. <break time="40ms"/>'
SECOND_PAUSE = '<break time="400ms"/> <break time="600ms"/>'
SPOKEN = 10 * PIECE_SAMPLES


def silences(pcm: bytes) -> list[int]:
    """Lengths of the silences of at least 10 ms, in samples."""
    quiet = np.concatenate(([0], np.frombuffer(pcm, "<i2") == 0, [0])).astype(int)
    edges = np.flatnonzero(np.diff(quiet))
    return [int(end - start) for start, end in edges.reshape(-1, 2) if end - start >= RATE // 100]


@pytest.mark.parametrize("way", ["stream", "whole"])
async def test_a_break_is_a_silence_of_its_length(tmp_path: Path, way: str) -> None:
    engine = ToneEngine()
    async with voice_services(tmp_path, engine) as services:
        wav = await (services.streamed(order(TEXT)) if way == "stream" else services.whole(order(TEXT)))
        assert [one.text for one in engine.orders] == ["One.", "Two."]
        # Tones begin at zero.
        assert silences(wav[44:]) == pytest.approx([RATE // 5, RATE * 3 // 2, RATE // 25], abs=2)
        assert len(wav) - 44 == 2 * (2 * SPOKEN + RATE * 1740 // 1000)


@pytest.mark.parametrize("kind", [AudioFormat.FLAC, AudioFormat.MP3, AudioFormat.OPUS, AudioFormat.AAC])
async def test_a_break_has_its_length_in_every_format(tmp_path: Path, kind: AudioFormat) -> None:
    async with voice_services(tmp_path, ToneEngine()) as services:
        finished = await services.synthesis.make(order(TEXT, kind), services.speaker)
        assert finished.seconds == pytest.approx(2 * SPOKEN / RATE + 1.74)


async def test_a_text_without_pauses_is_one_request(tmp_path: Path) -> None:
    engine = ToneEngine()
    async with voice_services(tmp_path, engine) as services:
        await services.whole(order("One. Two."))
        assert [one.text for one in engine.orders] == ["One. Two."]


async def test_a_pause_alone_needs_no_engine(tmp_path: Path) -> None:
    engine = ToneEngine()
    async with voice_services(tmp_path, engine) as services:
        assert await services.whole(order('<break time="1000ms"/>')) == await services.whole(order(SECOND_PAUSE))
        assert len(await services.whole(order(SECOND_PAUSE))) == 44 + 2 * RATE
        assert engine.orders == []


class LeavingEngine(ToneEngine):
    """Speaks the first part, then is away for one request."""

    async def speak(self, order: SpeechOrder, reference: Reference, *, stream: bool) -> EngineAudio:
        audio = await super().speak(order, reference, stream=stream)
        if len(self.orders) == 2:
            raise not_ready(SpeechEngineState(EngineStatus.UNREACHABLE))
        return audio


async def test_an_engine_that_leaves_between_two_parts_is_asked_again(tmp_path: Path) -> None:
    engine = LeavingEngine()
    async with voice_services(tmp_path, engine) as services:
        whole = await services.whole(order(TEXT))
        assert [one.text for one in engine.orders] == ["One.", "Two.", "One.", "Two."]
        assert len(whole) - 44 == 2 * (2 * SPOKEN + RATE * 1740 // 1000)


async def test_an_engine_that_refuses_the_first_part_is_an_error(tmp_path: Path) -> None:
    engine = ToneEngine()
    engine.state = SpeechEngineState(EngineStatus.LOADING)
    async with voice_services(tmp_path, engine) as services:
        with pytest.raises(GatewayError, match="engine_loading"):
            await services.whole(order(TEXT))
