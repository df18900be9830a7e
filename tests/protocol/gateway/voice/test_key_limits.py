"""What one key may have of a day, and that the work of each is counted."""

from __future__ import annotations

from pathlib import Path

import requests

from tests.support.servers import Server, running_gateway
from tests.support.voice import VoiceBench, spoken_wav, voice_bench

NO_VOICE = {"device_id": "d", "voice_id": "v_" + "f" * 32, "text": "x"}


def ask(server: Server, key: str, path: str = "/v1/tts", **body: str) -> tuple[int, str]:
    answer = requests.post(server.url + path, json={**NO_VOICE, **body}, headers={"X-API-Key": key}, timeout=60)
    content = answer.json() if "json" in answer.headers["Content-Type"] else {}
    return answer.status_code, str(content.get("error", content).get("code"))


def test_a_key_has_so_many_requests_a_day(tmp_path: Path) -> None:
    with running_gateway(
        "voice", tmp_path, cosyvoice_url="http://127.0.0.1:9", api_key="one,two", key_requests_per_day=3
    ) as server:
        assert [ask(server, "one")[0] for _ in range(2)] == [404, 404]
        assert ask(server, "one", "/v1/audio/speech", voice=NO_VOICE["voice_id"], input="x", model="tts-1")[0] == 404
        assert ask(server, "one") == (429, "daily_limit")
        assert ask(server, "two") == (404, "voice_not_found")
        listed = requests.get(
            server.url + "/v1/voices", params={"device_id": "d"}, headers={"X-API-Key": "one"}, timeout=10
        )
        assert listed.status_code == 200


def test_speech_is_limited_but_not_what_was_made_before(tmp_path: Path) -> None:
    keys = tmp_path / "api_keys"
    keys.write_text("one # Anna\ntwo # Ben\n", encoding="utf-8")
    with voice_bench(tmp_path, api_keys_file=keys, key_speech_seconds_per_day=0.01) as bench:
        voice = trained(bench, "one")
        first = {"device_id": "device-1", "voice_id": voice, "text": "This is a sentence."}
        assert ask(bench.gateway, "one", **first)[0] == 200
        assert ask(bench.gateway, "one", **first)[0] == 200
        for key, status in (("one", 429), ("two", 200)):
            assert ask(bench.gateway, key, **{**first, "text": "Another sentence."})[0] == status
        openai = {"device_id": "device-1", "voice": voice, "input": "A third sentence.", "model": "tts-1"}
        assert ask(bench.gateway, "one", "/v1/audio/speech", **openai) == (429, "daily_limit")
        metrics = requests.get(bench.url + "/metrics", headers={"X-API-Key": "one"}, timeout=10).text
        for name in ("Anna", "Ben"):
            assert f'twinport_key_speech_seconds_total{{key="{name}"}}' in metrics


def trained(bench: VoiceBench, key: str) -> str:
    """The id of a ready voice of device-1."""
    headers = {"X-API-Key": key}
    made = requests.post(
        bench.url + "/v1/voices/train",
        data={"device_id": "device-1", "name": "Anna"},
        files={"audio": spoken_wav()},
        headers=headers,
        timeout=60,
    )
    voice = str(made.json()["data"]["voiceId"])
    url = f"{bench.url}/v1/voices/{voice}?device_id=device-1"
    while requests.get(url, headers=headers, timeout=10).json()["data"]["status"] != "ready":
        pass
    return voice
