"""Registered voices: analysed once, kept over a restart, bounded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support.engine import Engine, pitch_of, reference, running_engine

TEXT = "The quick brown fox jumps over the lazy dog."


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with running_engine(tmp_path_factory.mktemp("engine")) as running:
        yield running


def analyses(engine: Engine) -> int:
    return engine.output().count("prompt analysed")


def listed(engine: Engine) -> list[str]:
    return [voice["voice_id"] for voice in requests.get(f"{engine.url}/voices", timeout=10).json()["data"]]


def test_a_voice_is_analysed_once(engine: Engine) -> None:
    answer = engine.register(reference(pitch=140), prompt_text="what it says")
    assert answer.status_code == 201
    voice = answer.json()
    assert voice["prompt_text"] == "what it says"
    assert (voice["duration"], voice["sample_rate"]) == (4.0, 16000)
    count = analyses(engine)
    sounds = [engine.speak("zero_shot", tts_text=TEXT, voice_id=voice["voice_id"], seed=1) for _ in range(3)]
    assert {sound.status_code for sound in sounds} == {200}
    assert analyses(engine) == count
    sent = engine.speak("zero_shot", wav=reference(pitch=140), tts_text=TEXT, prompt_text="what it says", seed=1)
    assert {sound.content for sound in sounds} == {sent.content}
    engine.wait_until_clean()


def test_registering_again_does_no_work(engine: Engine) -> None:
    first = engine.register(reference(pitch=141))
    count = analyses(engine)
    again = engine.register(reference(pitch=141))
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert analyses(engine) == count
    other = engine.register(reference(pitch=141), prompt_text="now with a text")
    assert other.json()["voice_id"] != first.json()["voice_id"]


def test_a_prompt_text_in_the_request_wins(engine: Engine) -> None:
    voice_id = engine.register(reference(pitch=142)).json()["voice_id"]
    answer = engine.speak("zero_shot", tts_text=TEXT, voice_id=voice_id)
    assert answer.status_code == 422
    assert answer.json()["code"] == "field_missing"
    assert engine.speak("zero_shot", tts_text=TEXT, voice_id=voice_id, prompt_text="what it says").status_code == 200


def test_voice_and_reference_at_once_are_refused(engine: Engine) -> None:
    voice_id = engine.register(reference(pitch=143)).json()["voice_id"]
    answer = engine.speak("cross_lingual", wav=reference(), tts_text=TEXT, voice_id=voice_id)
    assert answer.json()["code"] == "field_invalid"


def test_list_show_and_delete(engine: Engine) -> None:
    one, two = (engine.register(reference(pitch=pitch)).json()["voice_id"] for pitch in (150, 151))
    assert listed(engine)[:2] == [two, one]
    engine.speak("cross_lingual", tts_text="hi", voice_id=one)
    assert listed(engine)[:2] == [one, two]
    assert requests.get(f"{engine.url}/voices/{one}", timeout=10).json()["voice_id"] == one
    assert requests.delete(f"{engine.url}/voices/{one}", timeout=10).status_code == 204
    assert requests.delete(f"{engine.url}/voices/{one}", timeout=10).json()["code"] == "voice_unknown"
    assert engine.speak("cross_lingual", tts_text="hi", voice_id=one).json()["code"] == "voice_unknown"
    assert one not in listed(engine)
    assert not (engine.voices_folder / one).exists()


def test_voices_survive_a_crash_and_a_change_of_model(tmp_path: Path) -> None:
    with running_engine(tmp_path) as engine:
        voice_id = engine.register(reference(pitch=300), prompt_text="what it says").json()["voice_id"]
        engine.kill()
    # What a crash in the middle of a registration leaves.
    (tmp_path / "cache" / "twinport_voices" / ".new-1").mkdir()
    (tmp_path / "cache" / "twinport_voices" / ("ev_" + "1" * 32)).mkdir()
    with running_engine(tmp_path, preview_kind="CosyVoice2", model="iic/CosyVoice2-0.5B") as engine:
        assert listed(engine) == [voice_id]
        assert sorted(path.name for path in engine.voices_folder.iterdir()) == [voice_id]
        count = analyses(engine)
        for _ in range(2):
            sound = engine.speak("zero_shot", tts_text=TEXT, voice_id=voice_id)
            assert sound.status_code == 200
            assert pitch_of(sound.content, 24000) > 120
        assert analyses(engine) == count + 1


def test_the_least_recently_used_goes_first_also_after_a_restart(tmp_path: Path) -> None:
    with running_engine(tmp_path, voices_max=2) as engine:
        one, two = (engine.register(reference(pitch=pitch)).json()["voice_id"] for pitch in (110, 120))
        engine.speak("cross_lingual", tts_text="hi", voice_id=one)
        assert engine.health()["voices"] == {"registered": 2, "limit": 2}
        engine.stop()
    with running_engine(tmp_path, voices_max=2) as engine:
        three = engine.register(reference(pitch=130)).json()["voice_id"]
        assert listed(engine) == [three, one]
        assert engine.speak("cross_lingual", tts_text="hi", voice_id=two).json()["code"] == "voice_unknown"
        assert sorted(path.name for path in engine.voices_folder.iterdir()) == sorted([one, three])


def test_features_in_memory_are_bounded_apart_from_voices(tmp_path: Path) -> None:
    with running_engine(tmp_path, voices_in_memory=1) as engine:
        one, two = (engine.register(reference(pitch=pitch)).json()["voice_id"] for pitch in (110, 120))
        count = analyses(engine)
        assert engine.speak("cross_lingual", tts_text="hi", voice_id=two).status_code == 200
        assert analyses(engine) == count
        assert engine.speak("cross_lingual", tts_text="hi", voice_id=one).status_code == 200
        assert analyses(engine) == count + 1


def test_files_that_vanish_make_the_voice_unknown(tmp_path: Path) -> None:
    with running_engine(tmp_path) as engine:
        voice_id = engine.register(reference()).json()["voice_id"]
        description = json.loads((engine.voices_folder / voice_id / "voice.json").read_text())
        assert description["voice_id"] == voice_id
        shutil.rmtree(engine.voices_folder / voice_id)
        assert engine.speak("cross_lingual", tts_text="hi", voice_id=voice_id).json()["code"] == "voice_unknown"
        assert engine.register(reference()).status_code == 201
        assert engine.speak("cross_lingual", tts_text="hi", voice_id=voice_id).status_code == 200
