"""A deleted voice is gone everywhere: here, at the engine, in what it says just now and in what it said."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import requests

from tests.support.voice import VoiceBench, spoken_wav, voice_bench


@pytest.fixture
def own_bench(tmp_path: Path) -> Iterator[VoiceBench]:
    with voice_bench(tmp_path) as bench:
        yield bench


def delete(bench: VoiceBench, voice_id: str, *, device: str = "device-1") -> None:
    answer = requests.delete(f"{bench.url}/v1/voices/{voice_id}", params={"device_id": device}, timeout=30)
    assert answer.status_code == 200, answer.text


def engine_copies(bench: VoiceBench) -> list[str]:
    return [voice["voice_id"] for voice in requests.get(bench.engine.url + "/voices", timeout=10).json()["data"]]


def test_the_engine_deletes_its_copy_with_the_last_voice_that_has_it(own_bench: VoiceBench) -> None:
    first = own_bench.ready_voice()
    second = str(own_bench.train(spoken_wav(), device="other")["id"])
    told = own_bench.ready_voice(name="told", prompt_text="What I said.")
    assert own_bench.tts(first, "Hello.").status_code == 200
    assert own_bench.tts(told, "Hello.").status_code == 200
    assert len(engine_copies(own_bench)) == 2
    delete(own_bench, first)
    assert len(engine_copies(own_bench)) == 2
    # A gateway that was started anew has forgotten what it registered; what is stored tells it.
    own_bench.gateway.stop()
    own_bench.gateway.restart()
    own_bench.wait_until_ready()
    delete(own_bench, told)
    assert len(engine_copies(own_bench)) == 1
    delete(own_bench, second, device="other")
    assert engine_copies(own_bench) == []


def test_a_voice_can_be_deleted_while_the_engine_is_away(own_bench: VoiceBench) -> None:
    voice = own_bench.ready_voice()
    own_bench.engine.kill()
    delete(own_bench, voice)
    assert not (own_bench.data() / "voices" / voice).exists()


@pytest.mark.slow
def test_a_stream_of_a_deleted_voice_ends(tmp_path: Path) -> None:
    with voice_bench(tmp_path, engine={"preview_rtf": 1.0}) as bench:
        voice = bench.ready_voice()
        body = {"voice": voice, "input": "A long story. " * 60, "response_format": "wav"}
        with requests.post(bench.url + "/v1/audio/speech", json=body, stream=True, timeout=30) as answer:
            pieces = answer.iter_content(4096)
            next(pieces)
            delete(bench, voice)
            with pytest.raises(requests.exceptions.ChunkedEncodingError):
                list(pieces)
        other = bench.ready_voice(name="other")
        assert bench.tts(other, "The engine is free.").status_code == 200


def test_requests_waiting_for_a_deleted_voice_fail(tmp_path: Path) -> None:
    with voice_bench(tmp_path, engine={"preview_rtf": 1.0}) as bench, ThreadPoolExecutor() as pool:
        voice = bench.ready_voice()
        waiting = pool.submit(bench.tts, voice, "A long story. " * 20)
        bench.engine.wait_for(lambda health: health["queue"]["running"] == 1)
        delete(bench, voice)
        answer = waiting.result()
        assert (answer.status_code, answer.json()["code"]) == (404, "voice_not_found")


def test_speech_that_outlived_its_voice_by_a_crash_goes_at_the_next_start(own_bench: VoiceBench) -> None:
    gone, kept = own_bench.ready_voice(), own_bench.ready_voice(name="kept")
    files = [own_bench.tts(voice, "Said.").json()["data"]["audioUrl"] for voice in (gone, kept)]
    own_bench.gateway.kill()
    with closing(sqlite3.connect(own_bench.data() / "gateway.sqlite3")) as connection:
        connection.execute("DELETE FROM voices WHERE id = ?", (gone,))
        connection.commit()
    own_bench.gateway.restart()
    statuses = [requests.get(own_bench.url + file, timeout=10).status_code for file in files]
    assert statuses == [404, 200]
