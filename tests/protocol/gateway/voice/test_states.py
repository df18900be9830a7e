"""The engine's states as users see them, and work that is joined, queued and repeated."""

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.servers import free_port, running_gateway
from tests.support.voice import VoiceBench, spoken_wav, voice_bench


def health(bench: VoiceBench) -> dict[str, Any]:
    answer: dict[str, Any] = requests.get(bench.url + "/health", timeout=5).json()
    assert answer["message"] == "ok"
    return answer


def wait_for_state(bench: VoiceBench, *states: str) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while (engine := health(bench)["engine"])["state"] not in states:
        assert time.monotonic() < deadline, engine
        time.sleep(0.02)
    found: dict[str, Any] = engine
    return found


@pytest.mark.slow
def test_while_the_model_downloads_and_loads(tmp_path: Path) -> None:
    switches = {"preview_free": 1, "preview_download_seconds": 20.0, "preview_load_seconds": 0.5}
    with voice_bench(tmp_path, engine=switches, ready=False) as bench:
        engine = wait_for_state(bench, "downloading")
        while not engine["download"]["bytes"]:
            engine = wait_for_state(bench, "downloading")
        assert 0 < engine["download"]["percent"] <= 100
        assert "下载" in engine["message"]

        # Training needs no engine; speaking does, and tells why it can't.
        voice = bench.train(spoken_wav())
        assert voice["status"] == "ready"
        refused = bench.tts(voice["id"], "Hello.")
        assert refused.status_code == 503
        assert refused.json()["code"] in ("engine_downloading", "engine_loading")
        assert int(refused.headers["Retry-After"]) > 0
        stream = requests.post(
            bench.url + "/v1/audio/speech", json={"voice": voice["id"], "input": "Hello."}, timeout=10
        )
        assert (stream.status_code, stream.json()["error"]["type"]) == (503, "server_error")
        ready = requests.get(bench.url + "/ready", headers={"Accept-Language": "en"}, timeout=10)
        assert ready.status_code == 503
        assert ready.json()["code"].startswith("engine_")

        bench.wait_until_ready()
        assert bench.tts(voice["id"], "Hello.").status_code == 200


@pytest.mark.slow
def test_when_the_model_does_not_load(tmp_path: Path) -> None:
    with voice_bench(tmp_path, engine={"preview_fail": "load"}, ready=False) as bench:
        engine = wait_for_state(bench, "failed")
        assert "失败" in engine["message"]
        assert requests.get(bench.url + "/ready", timeout=10).json()["code"] == "engine_failed"


def test_when_the_engine_goes_away_and_comes_back(tmp_path: Path) -> None:
    with voice_bench(tmp_path) as bench:
        voice = bench.ready_voice()
        finished = bench.tts(voice, "Made before.").json()
        bench.engine.kill()
        wait_for_state(bench, "unreachable")
        refused = bench.tts(voice, "New.")
        assert (refused.status_code, refused.json()["code"]) == (503, "engine_unreachable")
        # What is finished is served all the same.
        assert bench.tts(voice, "Made before.").json() == finished
        bench.engine.restart()
        bench.wait_until_ready()
        assert bench.tts(voice, "New.").status_code == 200


@pytest.mark.slow
def test_the_doctors_reason_is_shown(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    title = {"zh": "容器里没有 GPU", "en": "no GPU in the container"}
    finding = {"severity": "fault", "engine": "cosyvoice", "title": title}
    report.write_text(json.dumps({"healthy": False, "findings": [finding]}))
    url = f"http://127.0.0.1:{free_port()}"
    with running_gateway("voice", tmp_path, cosyvoice_url=url, doctor_report=report) as gateway:
        answer = requests.get(gateway.url + "/health", timeout=5).json()
        assert answer["doctor"]["findings"] == [finding]
        assert answer["engine"]["state"] == "unreachable"
        assert title["zh"] in answer["engine"]["message"]
        ready = requests.get(gateway.url + "/ready", headers={"Accept-Language": "en"}, timeout=5)
        assert title["en"] in ready.json()["message"]
        report.write_text("not json")
        assert requests.get(gateway.url + "/health", timeout=5).json()["doctor"] is None


def test_the_same_request_is_joined_and_made_once(tmp_path: Path) -> None:
    with voice_bench(tmp_path, engine={"preview_rtf": 0.3}) as bench:
        voice = bench.ready_voice()
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: bench.tts(voice, "All want the same."), range(8)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.text for answer in answers}) == 1
        assert bench.metric("twinport_real_time_factor_count") == 1


@pytest.mark.slow
def test_a_client_that_gives_up_finds_the_work_done(tmp_path: Path) -> None:
    """As an old client does: its request times out, the next one gets the first one's result."""
    with voice_bench(tmp_path, engine={"preview_rtf": 1.0}, tts_answer_timeout=1.0) as bench:
        voice = bench.ready_voice()
        text = "This takes longer than the client waits for it. " * 2
        try:
            requests.post(
                bench.url + "/v1/tts", json={"device_id": "device-1", "voice_id": voice, "text": text}, timeout=0.3
            )
            raise AssertionError("the client should have given up")
        except requests.Timeout:
            pass
        statuses = []
        while (answer := bench.tts(voice, text)).status_code != 200:
            statuses.append((answer.status_code, answer.json()["code"]))
            assert "Retry-After" in answer.headers
        assert set(statuses) <= {(503, "synthesis_running")}
        assert statuses
        assert bench.metric("twinport_real_time_factor_count") == 1


@pytest.mark.slow
def test_two_hundred_at_once_against_one_slot(tmp_path: Path) -> None:
    with voice_bench(tmp_path, queue_size=64) as bench:
        voices = {device: bench.ready_voice(device=device) for device in ("a", "b", "c", "d")}
        devices = list(voices)

        def speak(number: int) -> requests.Response:
            device = devices[number % 4]
            return bench.tts(voices[device], f"Number {number}.", device=device)

        with ThreadPoolExecutor(200) as pool:
            answers = list(pool.map(speak, range(200)))
        statuses = Counter(answer.status_code for answer in answers)
        assert set(statuses) <= {200, 503}
        assert statuses[200] >= 65
        for answer in answers:
            if answer.status_code == 503:
                assert answer.json()["code"] == "queue_full"
                assert answer.headers["Retry-After"]
        # None is lost: asked again, every one is answered.
        for number, answer in enumerate(answers):
            if answer.status_code == 503:
                assert speak(number).status_code == 200
        assert bench.metric("twinport_queue_length") == 0


def test_an_engine_that_stops_early_is_tried_once_more_and_then_reported(tmp_path: Path) -> None:
    switches = {"preview_free": 1, "preview_fail": "within", "preview_fail_on_demand": 1}
    with voice_bench(tmp_path, engine=switches) as bench:
        voice = bench.ready_voice()
        text = "A sentence that is long enough to be a segment of its own, fail within. " * 5
        answer = bench.tts(voice, text)
        assert (answer.status_code, answer.json()["code"]) == (502, "engine_stream_broken")
        assert bench.gateway.output().count("engine broke off") == 2
        assert list((bench.data() / "files").iterdir()) == []
        assert bench.tts(voice, "All is well.").status_code == 200


def test_an_engine_that_forgot_the_voice_is_given_it_again(tmp_path: Path) -> None:
    with voice_bench(tmp_path) as bench:
        voice = bench.ready_voice()
        assert bench.tts(voice, "First.").status_code == 200
        for known in requests.get(bench.engine.url + "/voices", timeout=10).json()["data"]:
            requests.delete(f"{bench.engine.url}/voices/{known['voice_id']}", timeout=10)
        assert bench.tts(voice, "Second.").status_code == 200
        assert bench.tts(voice, "Third.").status_code == 200
        assert requests.get(bench.engine.url + "/voices", timeout=10).json()["data"]


@pytest.mark.slow
def test_zero_shot_with_a_prompt_text_cross_lingual_without(tmp_path: Path) -> None:
    with voice_bench(tmp_path) as bench:
        plain = bench.ready_voice(name="plain")
        told = bench.ready_voice(name="told", prompt_text="The quick brown fox.")
        assert bench.tts(plain, "Hello.").status_code == 200
        assert bench.tts(told, "Hello.").status_code == 200
        log = bench.engine.output()
        assert "cross_lingual" in log
        assert "zero_shot" in log


@pytest.mark.slow
def test_a_busy_device_frees_a_place_for_another(tmp_path: Path) -> None:
    with voice_bench(tmp_path, engine={"preview_rtf": 1.0}, queue_size=3) as bench, ThreadPoolExecutor(8) as pool:
        greedy, modest = bench.ready_voice(device="greedy"), bench.ready_voice(device="modest")
        running = pool.submit(bench.tts, greedy, "This is being spoken. And spoken on.", device="greedy")
        while not bench.engine.health()["queue"]["running"]:
            time.sleep(0.02)
        waiting = []
        for number in range(3):
            waiting.append(pool.submit(bench.tts, greedy, f"{number}.", device="greedy"))
            while bench.metric("twinport_queue_length") <= number:
                time.sleep(0.02)
        assert bench.tts(modest, "Mine.", device="modest").status_code == 200
        refused = waiting[-1].result()
        assert (refused.status_code, refused.json()["code"]) == (503, "queue_full")
        assert "Retry-After" in refused.headers
        assert [answer.result().status_code for answer in (running, *waiting[:-1])] == [200] * 3
