"""Models that fail, before and within an answer, and clients that leave."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support.engine import Engine, reference, running_engine

TEXT = "One sentence that is long enough to be spoken for several seconds without a pause. "
LONG = " ".join(f"This is sentence number {number}, and it is a rather long one to speak." for number in range(6))


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine that fails in the way that a text asks for."""
    switches = {"preview_fail": "before,within,job,memory", "preview_fail_on_demand": 1, "preview_rtf": 0.1}
    with running_engine(tmp_path_factory.mktemp("engine"), **switches) as engine:
        yield engine


@pytest.fixture(autouse=True)
def recovers(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever has failed: no file is left, and the next request is served."""
    yield
    if "failing" in request.fixturenames:
        engine = request.getfixturevalue("failing")
        engine.wait_until_clean()
        assert engine.speak("cross_lingual", wav=reference(), tts_text="this is good").status_code == 200


def test_a_failure_before_the_first_sample_is_an_error(failing: Engine) -> None:
    answer = failing.speak("cross_lingual", wav=reference(), tts_text="fail before")
    assert answer.status_code == 500
    assert answer.json()["code"] == "engine_error"
    assert answer.json()["message"].endswith("told to fail before the stream")
    assert "Traceback" in failing.output()


def test_a_failure_within_the_answer_cuts_it(failing: Engine) -> None:
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        failing.speak("cross_lingual", wav=reference(), tts_text="fail within")


def test_a_failure_within_is_an_error_for_http_1_0(failing: Engine) -> None:
    status, _, body = failing.speak_http_1_0(tts_text="fail within", spk_id="英文女")
    assert status == 500
    assert b"engine_error" in body


def test_a_dying_language_model_does_not_truncate(failing: Engine) -> None:
    """Its thread's death leaves a whole answer short, were it not noticed."""
    answer = failing.speak("sft", tts_text="fail job: " + TEXT, spk_id="英文女")
    assert answer.status_code == 500
    assert "was told to fail" in answer.json()["message"]


def test_a_dying_language_model_does_not_hang_a_stream(failing: Engine) -> None:
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        failing.speak("sft", tts_text="fail job: " + TEXT, spk_id="英文女", stream="true")


def test_a_full_gpu_is_a_503(failing: Engine) -> None:
    answer = failing.speak("sft", tts_text="fail memory", spk_id="英文女")
    assert answer.status_code == 503
    assert answer.json()["code"] == "out_of_memory"
    assert int(answer.headers["Retry-After"]) > 0


def test_a_lost_gpu_ends_the_process_with_its_own_code(tmp_path: Path) -> None:
    """No later request could succeed in it; the restart policy starts a new one."""
    switches = {"preview_fail": "cuda", "preview_fail_on_demand": 1, "failed_exit_seconds": 2}
    with running_engine(tmp_path, **switches) as engine:
        answer = engine.speak("cross_lingual", wav=reference(), tts_text="fail cuda")
        assert (answer.status_code, answer.json()["code"]) == (500, "cuda_dead")
        health = engine.wait_for(lambda health: health["state"] == "failed" and health["error"] is not None)
        assert (health["error"]["code"], health["error"]["exit_code"]) == ("cuda_dead", 15)
        ready = requests.get(f"{engine.url}/ready", timeout=10)
        assert (ready.status_code, ready.json()["code"]) == (503, "engine_failed")
        assert engine.speak("cross_lingual", wav=reference(), tts_text="good").status_code == 503
        assert engine.process is not None
        assert engine.process.wait(20) == 15
        assert "state=failed stage=ready code=cuda_dead exit_code=15" in engine.output()


def test_speech_that_stops_before_its_first_sound_is_made_again(tmp_path: Path) -> None:
    with running_engine(tmp_path, preview_kind="CosyVoice3", preview_early_stops=5) as engine:
        wav = reference()
        failed = engine.speak("cross_lingual", wav=wav, tts_text=TEXT)
        assert (failed.status_code, failed.json()["code"]) == (500, "engine_error")
        made = engine.speak("cross_lingual", wav=wav, tts_text=TEXT, seed=7)
        assert made.status_code == 200
        assert made.content == engine.speak("cross_lingual", wav=wav, tts_text=TEXT, seed=9).content


def open_request(engine: Engine, **fields: str) -> socket.socket:
    """Send a request over a plain socket and leave the answer unread."""
    body = requests.models.RequestEncodingMixin._encode_params({"spk_id": "英文女", **fields})
    client = socket.create_connection(("127.0.0.1", engine.port), timeout=30)
    client.sendall(
        f"POST /inference_sft HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
    )
    return client


@pytest.mark.parametrize("stream", ["false", "true"])
def test_a_client_that_leaves_frees_the_engine(tmp_path: Path, stream: str) -> None:
    """The work would take a minute; the slot is free long before."""
    with running_engine(tmp_path, preview_rtf=3) as engine:
        client = open_request(engine, tts_text=LONG, stream=stream)
        engine.wait_for(lambda health: health["queue"]["running"] == 1)
        time.sleep(0.3)
        client.close()
        engine.wait_for(lambda health: health["queue"]["running"] == 0, seconds=10)
        engine.wait_until_clean()
        assert "the client left" in engine.output()


def test_a_client_that_leaves_mid_stream_frees_the_engine(tmp_path: Path) -> None:
    with running_engine(tmp_path, preview_rtf=1) as engine:
        answer = requests.post(
            f"{engine.url}/inference_cross_lingual",
            data={"tts_text": LONG, "stream": "true"},
            files={"prompt_wav": reference()},
            stream=True,
            timeout=30,
        )
        pieces = answer.iter_content(chunk_size=None)
        assert next(pieces)
        assert list(engine.temporary.iterdir())
        answer.close()
        engine.wait_for(lambda health: health["queue"]["running"] == 0, seconds=10)
        engine.wait_until_clean()


def test_the_queue_is_bounded_and_in_order(tmp_path: Path) -> None:
    with running_engine(tmp_path, preview_rtf=0.2, queue_limit=2) as engine:
        clients = []
        for number in range(3):
            clients.append(open_request(engine, tts_text=f"Request number {number}. {TEXT}"))
            waiting = number
            engine.wait_for(lambda health, n=waiting: health["queue"]["waiting"] == n)  # type: ignore[misc]
        answer = engine.speak("sft", tts_text="one too many", spk_id="英文女")
        assert answer.status_code == 503
        assert answer.json()["code"] == "queue_full"
        assert int(answer.headers["Retry-After"]) > 0
        # The second leaves while it waits; the third is next.
        clients[1].close()
        engine.wait_for(lambda health: health["queue"]["waiting"] == 1)
        assert clients[2].recv(100).startswith(b"HTTP/1.1 200")
        assert "Request number 1" not in engine.output()
        for client in clients:
            client.close()


def test_waiting_is_bounded_in_time(tmp_path: Path) -> None:
    with running_engine(tmp_path, preview_rtf=2, queue_timeout_seconds=0.3) as engine:
        client = open_request(engine, tts_text=LONG)
        engine.wait_for(lambda health: health["queue"]["running"] == 1)
        answer = engine.speak("sft", tts_text="hello", spk_id="英文女")
        assert answer.status_code == 503
        assert answer.json()["code"] == "queue_timeout"
        client.close()


def test_slots_work_side_by_side(tmp_path: Path) -> None:
    with running_engine(tmp_path, preview_rtf=1, slots=3) as engine:
        clients = [open_request(engine, tts_text=LONG) for _ in range(3)]
        engine.wait_for(lambda health: health["queue"]["running"] == 3)
        for client in clients:
            client.close()


@pytest.mark.slow
def test_a_reader_that_stops_is_cut_off(tmp_path: Path) -> None:
    with running_engine(tmp_path, preview_gain=0.5, send_timeout_seconds=0.5) as engine:
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", engine.port))
        body = "spk_id=%E8%8B%B1%E6%96%87%E5%A5%B3&tts_text=" + (LONG * 10).replace(" ", "+")
        client.sendall(
            f"POST /inference_sft HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        deadline = time.monotonic() + 30
        while "stopped reading" not in engine.output() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert "stopped reading" in engine.output()
        engine.wait_until_clean()
        engine.wait_for(lambda health: health["queue"]["running"] == 0)
        client.close()


def test_a_stop_signal_ends_the_server_while_it_speaks(tmp_path: Path) -> None:
    with running_engine(tmp_path, preview_rtf=5, shutdown_seconds=1) as engine:
        client = open_request(engine, tts_text=LONG, stream="true")
        engine.wait_for(lambda health: health["queue"]["running"] == 1)
        assert engine.stop() == 0
        client.close()
        assert list(engine.temporary.iterdir()) == []
