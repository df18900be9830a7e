"""Clients of the real engine that leave, that come together, and that share several slots."""

from __future__ import annotations

import concurrent.futures
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.support.engine import Engine, reference
from tests.support.real_engine import printed_by, running_real_engine, weights

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

TEXT = "Hello there."
# Minutes of work for this model.
LONG = " ".join(["This is a long sentence that nobody will hear to its end."] * 60)
SFT = {"spk_id": "中文女"}


@contextmanager
def listening(engine: Engine, stream: str) -> Iterator[requests.Response]:
    """A request whose answer has begun."""
    fields = {"tts_text": LONG, "stream": stream, **SFT}
    with requests.post(f"{engine.url}/inference_sft", data=fields, stream=True, timeout=60) as answer:
        assert answer.status_code == 200
        yield answer


@pytest.mark.parametrize("stream", ["false", "true"])
def test_a_client_that_leaves_frees_the_slot(engine: Engine, stream: str) -> None:
    with listening(engine, stream) as answer:
        assert next(answer.iter_content(chunk_size=None))
        assert engine.health()["queue"]["running"] == 1
    engine.wait_for(lambda health: health["queue"]["running"] == 0, seconds=60)
    engine.wait_until_clean()
    assert engine.speak("sft", tts_text=TEXT, **SFT).content


def test_an_abandoned_stream_does_not_change_the_next_sound(engine: Engine) -> None:
    """Its language model has stopped before the slot is free: both draw from the same random numbers."""
    undisturbed = engine.speak("sft", tts_text=TEXT, seed=9, **SFT).content
    with listening(engine, "true") as answer:
        assert next(answer.iter_content(chunk_size=None))
    assert engine.speak("sft", tts_text=TEXT, seed=9, **SFT).content == undisturbed


def test_four_at_once_are_all_answered_as_if_alone(engine: Engine) -> None:
    alone = [engine.speak("sft", tts_text=TEXT, seed=seed, **SFT).content for seed in range(4)]
    with concurrent.futures.ThreadPoolExecutor(4) as clients:
        together = list(clients.map(lambda seed: engine.speak("sft", tts_text=TEXT, seed=seed, **SFT), range(4)))
    assert [answer.status_code for answer in together] == [200] * 4
    assert [answer.content for answer in together] == alone


def test_streams_leave_nothing_in_a_model_of_two_slots() -> None:
    said = json.loads(printed_by("sessions.py", weights(), "2", "50").splitlines()[-1])
    assert (said["abandoned"], said["finished"]) == (50, 50)
    assert set(said["leftovers"]) == {"tts_speech_token_dict", "llm_end_dict", "hift_cache_dict"}
    assert not any(said["leftovers"].values()), said


def test_two_slots_without_preset_speakers(tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(weights(), model, ignore=shutil.ignore_patterns("spk2info.pt"))
    with running_real_engine(tmp_path, model=model, slots=2) as engine:
        health = engine.health()
        assert health["speakers"] == []
        assert sorted(health["modes"]) == ["cross_lingual", "instruct2", "zero_shot"]
        for mode in ("sft", "instruct"):
            answer = engine.speak(mode, tts_text=TEXT, instruct_text="calm", **SFT)
            assert (answer.status_code, answer.json()["code"]) == (422, "mode_not_supported")
        voice_id = engine.register(reference(seconds=2)).json()["voice_id"]
        with concurrent.futures.ThreadPoolExecutor(4) as clients:
            streams = ["true", "false", "true", "false"]
            answers = list(
                clients.map(
                    lambda stream: engine.speak("cross_lingual", tts_text=TEXT, stream=stream, voice_id=voice_id),
                    streams,
                )
            )
        assert [answer.status_code for answer in answers] == [200] * 4
        assert all(answer.content for answer in answers)
