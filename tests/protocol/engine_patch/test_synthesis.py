"""Speech from the engine, for every kind and generation of the `cosyvoice` package."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from tests.support.engine import Engine, pitch_of, reference, running_engine, samples_of

ENGLISH = "The quick brown fox jumps over the lazy dog."
CHINESE = "你好，今天天气很好，我们一起去公园散步吧。"
# More than one segment, of which each is a sentence.
LONG = " ".join(f"This is sentence number {number}, and it is a rather long one." for number in range(4))
KINDS = [
    ("CosyVoice", "path", 22050),
    ("CosyVoice", "tensor", 22050),
    ("CosyVoice2", "path", 24000),
    ("CosyVoice2", "tensor", 24000),
    ("CosyVoice3", "path", 24000),
]


@pytest.fixture(scope="module", params=KINDS, ids=[f"{kind}-{prompt}" for kind, prompt, _ in KINDS])
def kind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, Any]]:
    name, prompt, rate = request.param
    folder = tmp_path_factory.mktemp("engine")
    with running_engine(folder, preview_kind=name, preview_prompt=prompt) as engine:
        yield engine, (name, prompt, rate)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with running_engine(tmp_path_factory.mktemp("engine")) as running:
        yield running


def modes_of(name: str) -> list[str]:
    return (
        ["sft", "zero_shot", "cross_lingual", "instruct"]
        if name == "CosyVoice"
        else ["zero_shot", "cross_lingual", "instruct2"]
    )


def fields_for(mode: str) -> dict[str, str]:
    return {
        "sft": {"spk_id": "中文女"},
        "zero_shot": {"prompt_text": "what the reference says"},
        "cross_lingual": {},
        "instruct": {"spk_id": "中文女", "instruct_text": "a calm speaker"},
        "instruct2": {"instruct_text": "用四川话说"},
    }[mode]


def wav_for(mode: str) -> bytes | None:
    return None if mode in {"sft", "instruct"} else reference()


def test_every_mode_answers_pcm_at_the_models_rate(kind: tuple[Engine, Any]) -> None:
    engine, (name, _, rate) = kind
    for mode in modes_of(name):
        for text in (ENGLISH, CHINESE):
            answer = engine.speak(mode, wav=wav_for(mode), tts_text=text, **fields_for(mode))
            assert answer.status_code == 200, (mode, answer.text)
            assert answer.headers["Content-Type"] == f"audio/L16; rate={rate}; channels=1"
            assert answer.headers["X-Sample-Rate"] == str(rate)
            assert answer.headers["X-Model"] == "iic/CosyVoice-300M"
            assert 1.0 < len(answer.content) / 2 / rate < 10.0
            assert np.abs(samples_of(answer.content)).max() > 3000
    engine.wait_until_clean()


def test_health_describes_the_loaded_model(kind: tuple[Engine, Any]) -> None:
    engine, (name, prompt, rate) = kind
    health = engine.health()
    assert (health["model_kind"], health["prompt_kind"], health["sample_rate"]) == (name, prompt, rate)
    assert sorted(health["modes"]) == sorted(modes_of(name))
    assert health["text_rules"] == "wetext"


def test_modes_that_the_model_lacks_are_refused(kind: tuple[Engine, Any]) -> None:
    engine, (name, _, _) = kind
    for mode in {"sft", "zero_shot", "cross_lingual", "instruct", "instruct2"} - set(modes_of(name)):
        answer = engine.speak(mode, wav=wav_for(mode), tts_text=ENGLISH, **fields_for(mode))
        assert answer.status_code == 422
        assert answer.json()["code"] == "mode_not_supported"


def test_a_voice_serves_all_modes_again_and_again(kind: tuple[Engine, Any]) -> None:
    """Older frontends spoil a known speaker at its first cross-lingual use; several segments are enough."""
    engine, (name, _, _) = kind
    voice_id = engine.register(reference(), prompt_text="what the reference says").json()["voice_id"]
    modes = [mode for mode in modes_of(name) if wav_for(mode)]
    for mode in modes + modes:
        options = {key: value for key, value in fields_for(mode).items() if key != "prompt_text"}
        answer = engine.speak(mode, tts_text=LONG, voice_id=voice_id, **options)
        assert answer.status_code == 200, (mode, answer.text)
        assert answer.content


def test_long_texts_are_spoken_to_their_end(kind: tuple[Engine, Any]) -> None:
    engine, (_, _, rate) = kind
    for mode in ("zero_shot", "cross_lingual"):
        short = engine.speak(mode, wav=reference(), tts_text=LONG.split(".")[0], **fields_for(mode))
        answer = engine.speak(mode, wav=reference(), tts_text=LONG, **fields_for(mode))
        assert len(answer.content) / rate > 3 * len(short.content) / rate


def test_a_reference_is_analysed_once_for_a_text_of_many_segments(kind: tuple[Engine, Any]) -> None:
    engine, _ = kind
    before = engine.output().count("prompt analysed")
    assert engine.speak("cross_lingual", wav=reference(pitch=133), tts_text=LONG).status_code == 200
    assert engine.output().count("prompt analysed") == before + 1


def test_streaming_gives_the_same_sound_in_more_pieces(kind: tuple[Engine, Any]) -> None:
    engine, _ = kind
    whole = engine.speak("cross_lingual", wav=reference(), tts_text=ENGLISH, seed=1)
    pieces = engine.speak("cross_lingual", wav=reference(), tts_text=ENGLISH, seed=1, stream="true")
    assert pieces.content == whole.content


def test_upstreams_client_works_unchanged(engine: Engine, tmp_path: Path) -> None:
    """It sends GET with a body: urlencoded without a file, multipart with one of type application/octet-stream."""
    path = tmp_path / "prompt.wav"
    path.write_bytes(reference())
    with path.open("rb") as file:
        answer = requests.request(
            "GET",
            f"{engine.url}/inference_zero_shot",
            data={"tts_text": CHINESE, "prompt_text": "希望你以后"},
            files=[("prompt_wav", ("prompt_wav", file, "application/octet-stream"))],
            stream=True,
            timeout=30,
        )
        sound = b"".join(answer.iter_content(chunk_size=16000))
    assert answer.status_code == 200
    assert len(sound) > 22050
    preset = {"tts_text": CHINESE, "spk_id": "中文女"}
    answer = requests.request("GET", f"{engine.url}/inference_sft", data=preset, stream=True, timeout=30)
    assert len(b"".join(answer.iter_content(chunk_size=16000))) > 22050


def test_different_references_sound_different(engine: Engine) -> None:
    low, high = (engine.speak("cross_lingual", wav=reference(pitch=pitch), tts_text=ENGLISH) for pitch in (90, 300))
    assert pitch_of(high.content, 22050) > 1.3 * pitch_of(low.content, 22050)


def test_the_300m_models_prompt_is_analysed_at_its_own_rate(tmp_path: Path) -> None:
    """The newest package analyses at 24 kHz what runs at 22 050 Hz; the older one, which does not, is the measure."""
    sounds = []
    for prompt in ("path", "tensor"):
        with running_engine(tmp_path / prompt, preview_prompt=prompt) as engine:
            sounds.append(engine.speak("cross_lingual", wav=reference(pitch=240), tts_text=ENGLISH, seed=7).content)
    assert sounds[0] == sounds[1]


def test_a_seed_repeats_the_sound(engine: Engine) -> None:
    first, again, other = (
        engine.speak("cross_lingual", wav=reference(), tts_text=ENGLISH, seed=seed).content for seed in (5, 5, 6)
    )
    assert first == again
    assert first != other


def test_speed(engine: Engine) -> None:
    slow, fast = (
        len(engine.speak("cross_lingual", wav=reference(), tts_text=ENGLISH, speed=speed).content)
        for speed in (0.7, 1.4)
    )
    assert slow > 1.3 * fast


def test_stream_sends_before_the_model_is_done(tmp_path: Path) -> None:
    with running_engine(tmp_path, preview_rtf=0.1) as engine:
        answer = requests.post(
            f"{engine.url}/inference_sft",
            data={"tts_text": LONG, "spk_id": "中文女", "stream": "true"},
            stream=True,
            timeout=30,
        )
        pieces = answer.iter_content(chunk_size=None)
        assert next(pieces)
        assert engine.health()["queue"]["running"] == 1
        assert len(list(pieces)) > 3


def test_sound_beyond_full_scale_is_clipped(tmp_path: Path) -> None:
    sounds = []
    for gain in (1, 4):
        with running_engine(tmp_path / str(gain), preview_gain=gain) as engine:
            sounds.append(samples_of(engine.speak("sft", tts_text=ENGLISH, spk_id="英文女", seed=3).content))
    quiet, loud = (sound.astype(int) for sound in sounds)
    assert np.array_equal(loud, np.clip(quiet * 4, -32768, 32767))
    assert (loud == 32767).any()


def test_text_without_the_frontend_is_one_segment(engine: Engine) -> None:
    before = engine.output().count("synthesis text")
    assert engine.speak("sft", tts_text=LONG, spk_id="英文女", text_frontend="false").status_code == 200
    assert engine.output().count("synthesis text") == before + 1


def test_a_client_of_http_1_0_gets_a_length(engine: Engine) -> None:
    status, length, body = engine.speak_http_1_0(tts_text="hello", spk_id="中文女")
    assert status == 200
    assert length == str(len(body))
    assert len(body) > 1000


def test_request_ids_are_kept_and_logged(engine: Engine) -> None:
    answer = requests.post(
        f"{engine.url}/inference_sft",
        data={"tts_text": "hello", "spk_id": "nobody"},
        headers={"X-Request-ID": "abc-123"},
        timeout=30,
    )
    assert answer.headers["X-Request-ID"] == "abc-123"
    assert answer.json()["request_id"] == "abc-123"
    assert "request=abc-123 code=speaker_unknown" in engine.output()


def test_openapi_lists_every_route(engine: Engine) -> None:
    paths = requests.get(f"{engine.url}/openapi.json", timeout=10).json()["paths"]
    for mode in ("sft", "zero_shot", "cross_lingual", "instruct", "instruct2"):
        assert set(paths[f"/inference_{mode}"]) == {"get", "post"}
