"""The desktop client's own way through the entry, byte for byte where it matters."""

import http.client
import io
import json
import socket
import time
import uuid
import wave
from contextlib import closing
from pathlib import Path

import pytest
import requests

from tests.support.voice import VoiceBench, converted, spoken_wav, voice_bench


def handwritten(fields: dict[str, str], file_name: str, content: bytes) -> tuple[bytes, str]:
    """A body as the client writes it: text fields first, the file last, a raw UTF-8 file name, many dashes."""
    boundary = "-" * 26 + uuid.uuid4().hex
    body = b""
    for name, value in fields.items():
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    body += (
        f'--{boundary}\r\nContent-Disposition: form-data; name="audio"; filename="{file_name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    return body + content + f"\r\n--{boundary}--\r\n".encode(), boundary


def test_health_says_ok(bench: VoiceBench) -> None:
    health = requests.get(bench.url + "/health", timeout=10).json()
    assert health["message"] == "ok"
    assert health["engine_mode"] == "preview"
    assert health["engine"]["state"] == "ready"
    assert health["engine"]["sample_rate"] == 22050


def test_the_whole_way_with_the_clients_own_bytes(bench: VoiceBench) -> None:
    device = "客户端 1"
    body, boundary = handwritten({"device_id": device, "name": "小明"}, "我的 录音.m4a", spoken_wav())
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}", "Content-Length": str(len(body))}
    with closing(http.client.HTTPConnection("127.0.0.1", bench.gateway.port, timeout=60)) as connection:
        connection.request("POST", "/v1/voices/train", body, headers)
        answer = connection.getresponse()
        trained = json.loads(answer.read())
    assert answer.status == 200
    assert set(trained) == {"data"}
    voice_id = trained["data"]["voiceId"]
    assert voice_id.startswith("v_")

    voice = bench.finished(voice_id, device=device)
    assert voice["status"] == "ready"
    listed = requests.get(bench.url + "/v1/voices", params={"device_id": device}, timeout=10).json()["data"]
    assert [(one["id"], one["name"], one["status"]) for one in listed] == [(voice_id, "小明", "ready")]
    assert {"createdAt", "updatedAt"} <= set(listed[0])
    assert "error" not in listed[0]

    spoken = bench.tts(voice_id, "你好，世界。", device=device).json()["data"]["audioUrl"]
    assert spoken.startswith("/files/")
    assert spoken.endswith(".wav")
    with wave.open(io.BytesIO(requests.get(bench.url + spoken, timeout=10).content)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 22050)
        assert file.getnframes() > 0


def test_an_unknown_device_has_no_voices(bench: VoiceBench) -> None:
    answer = requests.get(bench.url + "/v1/voices", params={"device_id": "nobody"}, timeout=10)
    assert (answer.status_code, answer.json()["data"]) == (200, [])


def test_voices_are_listed_newest_first_and_in_pages(bench: VoiceBench) -> None:
    made = [bench.upload(spoken_wav(), device="pages", name=f"voice {n}").json()["data"]["voiceId"] for n in range(3)]
    for voice_id in made:
        bench.finished(voice_id, device="pages")

    def page(**query: int) -> list[str]:
        answer = requests.get(bench.url + "/v1/voices", params={"device_id": "pages", **query}, timeout=10).json()
        assert answer["total"] == 3
        return [one["id"] for one in answer["data"]]

    assert page() == made[::-1]
    assert page(limit=2) == made[:0:-1]
    assert page(limit=2, offset=2) == made[:1]


def test_another_devices_voice_is_as_if_it_did_not_exist(bench: VoiceBench, voice: str) -> None:
    def answers(voice_id: str) -> list[tuple[int, str]]:
        base, query = f"{bench.url}/v1/voices/{voice_id}", {"device_id": "stranger"}
        got = [
            requests.get(base, params=query, timeout=10),
            requests.get(base + "/audio", params=query, timeout=10),
            requests.get(base + "/export", params=query, timeout=10),
            requests.delete(base, params=query, timeout=10),
            requests.patch(base, json={**query, "name": "mine"}, timeout=10),
            bench.tts(voice_id, "hello", device="stranger"),
        ]
        return [(one.status_code, one.text) for one in got]

    assert answers(voice) == answers("v_" + "0" * 32)
    assert {status for status, _ in answers(voice)} == {404}


def test_a_repeated_training_makes_one_voice(bench: VoiceBench) -> None:
    answers = [bench.upload(spoken_wav(), device="again", name="Otto").json() for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    other = bench.upload(spoken_wav(), device="again", name="Emil").json()
    assert other != answers[0]


def test_a_repeated_synthesis_is_found(bench: VoiceBench, voice: str) -> None:
    first, second = (bench.tts(voice, "the same again").json() for _ in range(2))
    assert first == second
    assert bench.tts(voice, "something else").json() != first


def test_options_make_another_speech(bench: VoiceBench, voice: str) -> None:
    url = bench.tts(voice, "with options").json()["data"]["audioUrl"]
    assert bench.tts(voice, "with options", speed=1.5).json()["data"]["audioUrl"] != url
    assert bench.tts(voice, "with options", prompt_text="what I said").json()["data"]["audioUrl"] != url
    assert bench.tts(voice, "with options", mode="cross_lingual").json()["data"]["audioUrl"] == url
    missing = bench.tts(voice, "with options", mode="zero_shot")
    assert (missing.status_code, missing.json()["code"]) == (400, "prompt_text_missing")


@pytest.mark.parametrize("kind", ["wav", "mp3", "opus", "flac", "aac", "pcm"])
def test_files_come_in_every_format(bench: VoiceBench, voice: str, kind: str) -> None:
    answer = bench.tts(voice, "in a format", format=kind).json()["data"]
    assert answer["audioUrl"].endswith("." + kind)
    content = requests.get(bench.url + answer["audioUrl"], timeout=10).content
    assert len(content) == answer["bytes"]
    raw = ("-f", "s16le", "-ar", "22050", "-ac", "1") if kind == "pcm" else ()
    if kind != "pcm":
        content = converted(content, "-f", "s16le", "-ar", "22050", "-ac", "1")
    assert raw or len(content) / 2 / 22050 == pytest.approx(answer["duration"], abs=0.15)


def test_files_serve_ranges_and_validators(bench: VoiceBench, voice: str) -> None:
    url = bench.url + bench.tts(voice, "ranges").json()["data"]["audioUrl"]
    whole = requests.get(url, timeout=10)
    part = requests.get(url, headers={"Range": "bytes=10-19"}, timeout=10)
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    rest = requests.get(url, headers={"Range": "bytes=100-"}, timeout=10)
    assert (rest.status_code, rest.content) == (206, whole.content[100:])
    assert requests.get(url, headers={"Range": f"bytes={len(whole.content)}-"}, timeout=10).status_code == 416
    again = requests.get(url, headers={"If-None-Match": whole.headers["ETag"]}, timeout=10)
    assert again.status_code == 304


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "missing_field"),
        ({"device_id": "d", "voice_id": "v", "text": 7}, "invalid_request"),
        ({"device_id": "", "voice_id": "v", "text": "x"}, "invalid_device_id"),
        ({"device_id": "d\x00", "voice_id": "v", "text": "x"}, "invalid_device_id"),
        ({"device_id": "d", "voice_id": "v", "text": "x", "speed": 9}, "invalid_request"),
        ({"device_id": "d", "voice_id": "v", "text": "x", "mode": "opera"}, "invalid_request"),
        ([], "invalid_request"),
    ],
)
def test_a_bad_request_is_a_400_with_a_sentence(bench: VoiceBench, body: object, code: str) -> None:
    answer = requests.post(bench.url + "/v1/tts", json=body, timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert set(answer.json()) == {"message", "code"}


def test_text_is_checked_before_the_engine_is_called(bench: VoiceBench, voice: str) -> None:
    assert bench.tts(voice, "字" * 2001).json()["code"] == "text_too_long"
    assert bench.tts(voice, " ……！ ").json()["code"] == "text_empty"


def test_errors_are_chinese_unless_english_is_requested(bench: VoiceBench) -> None:
    chinese = requests.get(bench.url + "/v1/nothing", timeout=10)
    english = requests.get(bench.url + "/v1/nothing", headers={"Accept-Language": "en"}, timeout=10)
    assert chinese.status_code == english.status_code == 404
    assert any("\u4e00" <= character <= "\u9fff" for character in chinese.json()["message"])
    assert english.json()["message"].isascii()
    assert chinese.json()["code"] == english.json()["code"]


def test_a_request_id_goes_in_and_out(bench: VoiceBench) -> None:
    given = requests.get(bench.url + "/health", headers={"X-Request-ID": "abc-123"}, timeout=10)
    assert given.headers["X-Request-ID"] == "abc-123"
    made = requests.get(bench.url + "/health", headers={"X-Request-ID": "bad id\t"}, timeout=10)
    assert made.headers["X-Request-ID"] not in ("", "bad id\t")


@pytest.mark.parametrize("prompt_text", ["……", "?!", "—"])
def test_a_prompt_text_of_punctuation_counts_as_none(bench: VoiceBench, prompt_text: str) -> None:
    voice = bench.train(spoken_wav(), name=f"says {prompt_text}", prompt_text=prompt_text)
    assert (voice["status"], voice["promptText"]) == ("ready", "")
    assert bench.tts(voice["id"], f"Spoken with {prompt_text}.").status_code == 200


def test_strange_prompts_and_instructions_cause_no_internal_error(bench: VoiceBench, voice: str) -> None:
    for number, more in enumerate(({"prompt_text": "a\x00b"}, {"instructions": "\x00"}, {"prompt_text": "..."})):
        assert bench.tts(voice, f"Strange {number}.", **more).status_code == 200
    assert bench.tts(voice, "Strange.", prompt_text="\ud800").status_code == 400
    asked = bench.tts(voice, "Strange.", prompt_text="...", mode="zero_shot")
    assert (asked.status_code, asked.json()["code"]) == (400, "prompt_text_missing")
    body = {"voice": "\x00", "input": "Hello."}
    named = requests.post(bench.url + "/v1/audio/speech", json=body, headers={"X-Device-ID": "d"}, timeout=30)
    assert (named.status_code, named.json()["error"]["code"]) == (404, "voice_not_found")


@pytest.mark.slow
def test_a_client_that_disconnects_is_not_waited_for_and_finds_the_work_later(tmp_path: Path) -> None:
    with voice_bench(tmp_path, engine={"preview_rtf": 1.0}) as bench:
        voice = bench.ready_voice()
        text = "This takes the engine some seconds, longer than anybody may want to wait."
        body = json.dumps({"device_id": "device-1", "voice_id": voice, "text": text}).encode()
        head = f"POST /v1/tts HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        with closing(socket.create_connection(("127.0.0.1", bench.gateway.port), timeout=30)) as impatient:
            impatient.sendall(head + body)
            bench.engine.wait_for(lambda health: health["queue"]["running"] == 1)
            # It stands still in the middle of the work, for as long as this test looks.
            bench.engine.pause()
        try:
            deadline = time.monotonic() + 60
            # Whoever reads the metrics is in flight too.
            while bench.metric("twinport_http_requests_in_flight") > 1 and time.monotonic() < deadline:
                time.sleep(0.02)
            assert bench.metric("twinport_http_requests_in_flight") == 1
            assert bench.metric("twinport_real_time_factor_count") == 0
        finally:
            bench.engine.resume()
        assert bench.tts(voice, text).status_code == 200
        assert bench.metric("twinport_real_time_factor_count") == 1
