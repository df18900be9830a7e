"""What the engine says to requests that can't be served, and that none of them leaves a file behind."""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import requests
import soundfile

from tests.support.engine import Engine, reference, running_engine
from tests.support.hand_run import wait_for

GOOD = {"tts_text": "hello", "prompt_text": "what the reference says"}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with running_engine(tmp_path_factory.mktemp("engine")) as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_is_left(engine: Engine) -> Iterator[None]:
    yield
    engine.wait_until_clean()
    queue = engine.wait_for(lambda health: health["queue"]["running"] == 0)["queue"]
    assert queue["waiting"] == 0


def assert_refused(answer: requests.Response, status: int, code: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    body = answer.json()
    assert body["code"] == code
    assert len(body["message"]) > 15
    assert body["request_id"] == answer.headers["X-Request-ID"]


def cut(wav: bytes) -> bytes:
    return wav[:44]


def flac_of_hours() -> bytes:
    """Hours of silence in a few kilobytes."""
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", 16000, 1, format="FLAC") as file:
        for _ in range(200):
            file.write(np.zeros(16000 * 60, dtype=np.int16))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("wav", "code"),
    [
        pytest.param(b"", "prompt_not_audio", id="empty"),
        pytest.param(b"127.0.0.1 localhost\n" * 50, "prompt_not_audio", id="text"),
        pytest.param(b"\x00" * 100_000, "prompt_not_audio", id="zeros"),
        pytest.param(cut(reference()), "prompt_too_short", id="header-only"),
        pytest.param(reference(seconds=0.2), "prompt_too_short", id="0.2s"),
        pytest.param(reference(seconds=31), "prompt_too_long", id="31s"),
        pytest.param(reference(rate=8000), "prompt_rate_too_low", id="8kHz"),
        pytest.param(reference(channels=12, seconds=1), "prompt_not_audio", id="12-channels"),
        pytest.param(flac_of_hours(), "prompt_too_long", id="hours-of-flac"),
    ],
)
@pytest.mark.parametrize("route", ["zero_shot", "cross_lingual", "voices"])
def test_references_that_will_not_do(engine: Engine, route: str, wav: bytes, code: str) -> None:
    answer = engine.register(wav) if route == "voices" else engine.speak(route, wav=wav, **GOOD)
    assert_refused(answer, 422, code)


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("rate", [16000, 22050, 44100, 96000])
def test_references_that_will_do(engine: Engine, rate: int, channels: int) -> None:
    answer = engine.speak("cross_lingual", wav=reference(rate=rate, channels=channels), tts_text="hello")
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param("", "text_empty", id="empty"),
        pytest.param("   ", "text_empty", id="blank"),
        pytest.param("。。。！？", "text_empty", id="punctuation"),
        pytest.param("字" * 5001, "text_too_long", id="5001"),
    ],
)
@pytest.mark.parametrize("mode", ["zero_shot", "cross_lingual", "sft"])
def test_texts_that_will_not_do(engine: Engine, mode: str, text: str, code: str) -> None:
    wav = None if mode == "sft" else reference(seconds=1)
    assert_refused(engine.speak(mode, wav=wav, **{**GOOD, "tts_text": text, "spk_id": "中文女"}), 422, code)


def test_missing_and_wrong_fields_are_named(engine: Engine) -> None:
    answer = engine.speak("zero_shot", wav=reference(), tts_text="hello")
    assert_refused(answer, 422, "field_missing")
    assert "prompt_text" in answer.json()["message"]
    files = {"audio": ("a.wav", reference())}
    answer = requests.post(f"{engine.url}/inference_cross_lingual", data=GOOD, files=files, timeout=10)
    assert_refused(answer, 422, "field_missing")
    assert "prompt_wav" in answer.json()["message"]
    assert "audio" in answer.json()["message"]
    answer = requests.post(f"{engine.url}/inference_cross_lingual", data={**GOOD, "prompt_wav": "text"}, timeout=10)
    assert_refused(answer, 422, "field_missing")
    assert_refused(requests.get(f"{engine.url}/inference_sft", timeout=10), 422, "field_missing")


@pytest.mark.parametrize(
    "field",
    [
        {"speed": "0"},
        {"speed": "nan"},
        {"speed": "fast"},
        {"seed": "-1"},
        {"seed": "4294967296"},
        {"seed": "1" * 400},
        {"stream": "maybe"},
        {"text_frontend": "2"},
    ],
)
def test_values_out_of_range(engine: Engine, field: dict[str, str]) -> None:
    assert_refused(engine.speak("sft", tts_text="hello", spk_id="中文女", **field), 422, "field_invalid")


@pytest.mark.parametrize("name", ["../../etc/passwd", "..", "a/../../b.wav", "..\\windows\\x.wav"])
def test_file_names_that_climb(engine: Engine, name: str) -> None:
    files = {"prompt_wav": (name, reference())}
    for route in ("/inference_cross_lingual", "/voices"):
        answer = requests.post(engine.url + route, data={"tts_text": "hello"}, files=files, timeout=10)
        assert_refused(answer, 422, "field_invalid")


@pytest.mark.parametrize("voice_id", ["../../etc", "ev_../../x", "ev_" + "0" * 32, "\x00", "x" * 3000])
def test_voices_that_are_not_there(engine: Engine, voice_id: str) -> None:
    assert_refused(engine.speak("cross_lingual", tts_text="hello", voice_id=voice_id), 404, "voice_unknown")


@pytest.mark.parametrize("path", ["/voices/..%2F..%2Fetc%2Fpasswd", "/voices/%2e%2e", "/voices/ev_1"])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_voice_paths_that_climb(engine: Engine, method: str, path: str) -> None:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", engine.port, timeout=10)) as connection:
        connection.request(method, path)
        assert connection.getresponse().status == 404


def test_unknown_speaker_names_the_known_ones(engine: Engine) -> None:
    answer = engine.speak("sft", tts_text="hello", spk_id="../x")
    assert_refused(answer, 422, "speaker_unknown")
    assert "中文女" in answer.json()["message"]


def test_a_hundred_megabytes_of_text(engine: Engine) -> None:
    text = b"a" * 100_000_000
    urlencoded = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = requests.post(f"{engine.url}/inference_sft", b"tts_text=" + text, headers=urlencoded, timeout=60)
    assert_refused(answer, 413, "too_large")
    answer = engine.speak("cross_lingual", wav=reference(), tts_text=text)
    assert_refused(answer, 413, "too_large")
    # Less than the whole body's limit, more than a field's.
    answer = engine.speak("cross_lingual", wav=reference(), tts_text=text[:10_000_000])
    assert_refused(answer, 413, "too_large")


def test_a_body_without_a_length_is_bounded_too(engine: Engine) -> None:
    def endless() -> Iterator[bytes]:
        yield b"tts_text="
        for _ in range(100):
            yield b"a" * 1_000_000

    urlencoded = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = requests.post(f"{engine.url}/inference_sft", endless(), headers=urlencoded, timeout=60)
    assert_refused(answer, 413, "too_large")


@pytest.mark.parametrize(
    ("content_type", "body", "status", "code"),
    [
        ("application/json", b'{"tts_text": "hello"}', 415, "unsupported_media_type"),
        ("multipart/form-data", b"--x--", 400, "bad_request"),
        ("multipart/form-data; boundary=x", b"no boundary at all", 400, "bad_request"),
        (
            "multipart/form-data; boundary=x",
            b"--x\r\nContent-Disposition: form-data; name=tts_text\r\n\r\nhi",
            400,
            "bad_request",
        ),
        ("application/x-www-form-urlencoded", b"tts_text=%ff%fe", 400, "bad_request"),
        ("application/x-www-form-urlencoded", b"&".join(b"f%d=1" % number for number in range(100)), 413, "too_large"),
    ],
)
def test_broken_bodies(engine: Engine, content_type: str, body: bytes, status: int, code: str) -> None:
    answer = requests.post(f"{engine.url}/inference_sft", body, headers={"Content-Type": content_type}, timeout=10)
    assert_refused(answer, status, code)


def test_too_many_parts_and_headers(engine: Engine) -> None:
    parts = "".join(f'--x\r\nContent-Disposition: form-data; name="f{n}"\r\n\r\n1\r\n' for n in range(900))
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = requests.post(f"{engine.url}/inference_sft", parts + "--x--\r\n", headers=headers, timeout=10)
    assert_refused(answer, 413, "too_large")
    part = f'--x\r\nContent-Disposition: form-data; name="a"\r\nX: {"y" * 20000}\r\n\r\n1\r\n--x--\r\n'
    answer = requests.post(f"{engine.url}/inference_sft", part, headers=headers, timeout=10)
    assert answer.status_code in {400, 413}


def test_a_path_can_not_forge_a_log_line(engine: Engine) -> None:
    requests.get(f"{engine.url}/x%0AERROR forged%E2%80%A8ERROR forged", timeout=10)
    # The answer may be there before its line is.
    wait_for(lambda: "forged" in engine.output())
    line = next(line for line in engine.output().splitlines() if "forged" in line)
    assert "/x\\nERROR forged\\u2028ERROR forged status=404" in line


def test_unknown_routes_and_methods(engine: Engine) -> None:
    assert_refused(requests.get(f"{engine.url}/nothing", timeout=10), 404, "not_found")
    assert_refused(requests.put(f"{engine.url}/inference_sft", timeout=10), 405, "method_not_allowed")


def multipart_head(engine: Engine, length: int) -> bytes:
    return (
        f"POST /inference_cross_lingual HTTP/1.1\r\nHost: 127.0.0.1:{engine.port}\r\n"
        f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {length}\r\n\r\n"
        '--x\r\nContent-Disposition: form-data; name="tts_text"\r\n\r\nhello\r\n'
        '--x\r\nContent-Disposition: form-data; name="prompt_wav"; filename="a.wav"\r\n\r\n'
    ).encode()


def test_a_client_that_vanishes_while_it_sends(engine: Engine) -> None:
    with socket.create_connection(("127.0.0.1", engine.port)) as client:
        client.sendall(multipart_head(engine, 5_000_000) + reference()[:50_000])
        # The upload has begun to be written.
        for _ in range(500):
            if list(engine.temporary.glob("*/upload-*")):
                break
            engine.health()
        assert list(engine.temporary.glob("*/upload-*"))


def test_a_client_that_stops_sending(tmp_path: Path) -> None:
    with running_engine(tmp_path, read_timeout_seconds=0.3) as engine:
        with socket.create_connection(("127.0.0.1", engine.port)) as client:
            client.sendall(multipart_head(engine, 5_000_000) + reference()[:50_000])
            client.settimeout(20)
            answer = b"".join(iter(lambda: client.recv(10_000), b""))
        assert b" 408 " in answer.split(b"\r\n", 1)[0]
        assert b"read_timeout" in answer
        engine.wait_until_clean()


@pytest.mark.slow
def test_leftovers_of_a_killed_server_are_removed(tmp_path: Path) -> None:
    with running_engine(tmp_path) as engine:
        with socket.create_connection(("127.0.0.1", engine.port)) as client:
            client.sendall(multipart_head(engine, 5_000_000) + reference()[:50_000])
            while not list(engine.temporary.glob("*/upload-*")):
                engine.health()
            engine.kill()
        assert list(engine.temporary.iterdir())
        with contextlib.suppress(AssertionError):
            engine.restart()
        engine.wait_until_ready().wait_until_clean()
