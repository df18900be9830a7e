"""A voice that exists from the start, is nobody's, and can't be taken away."""

import json

import requests

from gateway.domain.voice.default_voice import DEFAULT_VOICE_ID
from tests.support.raw_http import until
from tests.support.voice import VoiceBench, spoken_wav


def said(bench: VoiceBench, headers: dict[str, str] | None = None, **body: object) -> requests.Response:
    return requests.post(
        bench.url + "/v1/audio/speech",
        json={"input": "Who speaks here?", "response_format": "wav", **body},
        headers=headers,
        timeout=60,
    )


def test_a_client_that_names_nothing_is_spoken_to(bench: VoiceBench) -> None:
    plain = said(bench)
    assert plain.status_code == 200, plain.text
    assert len(plain.content) > 2000
    assert set(plain.content[44:]) != {0}
    for voice in ("alloy", "Shimmer", "default", None, "", {"id": "ash"}):
        assert said(bench, voice=voice).status_code == 200


def test_it_is_on_no_device_and_nobody_can_change_it(bench: VoiceBench) -> None:
    assert said(bench).status_code == 200
    for device in ("device-1", "anybody", "v_" + "0" * 32):
        where = {"device_id": device}
        listed = requests.get(bench.url + "/v1/voices", params=where, timeout=10).json()["data"]
        assert DEFAULT_VOICE_ID not in [one["id"] for one in listed]
        path = f"{bench.url}/v1/voices/{DEFAULT_VOICE_ID}"
        assert requests.get(path, params=where, timeout=10).status_code == 404
        assert requests.delete(path, params=where, timeout=10).status_code == 404
        assert requests.patch(path, json={**where, "name": "Mine"}, timeout=10).status_code == 404
        assert requests.get(path + "/export", params=where, timeout=10).status_code == 404
    assert said(bench, input="Still here.").status_code == 200


def test_an_own_voice_of_that_name_comes_first(bench: VoiceBench) -> None:
    own = bench.ready_voice(device="owner-of-coral", name="coral")
    headers = {"X-Device-ID": "owner-of-coral"}

    def speaker(**named: str) -> str:
        """Who spoke, by the log."""
        before = len(bench.gateway.output())
        assert said(bench, **named, voice="coral", input=f"Who is it, {named}?").status_code == 200
        until(lambda: '"route": "/v1/audio/speech"' in bench.gateway.output()[before:])
        lines = [json.loads(line) for line in bench.gateway.output()[before:].splitlines() if line.startswith("{")]
        (found,) = [line["voice_id"] for line in lines if line.get("route") == "/v1/audio/speech"]
        return str(found)

    assert speaker(device_id="owner-of-coral") == own
    assert speaker(device_id="somebody-else") == DEFAULT_VOICE_ID
    assert speaker() == DEFAULT_VOICE_ID
    listed = requests.get(bench.url + "/v1/audio/voices", headers=headers, timeout=10).json()
    assert [one["id"] for one in listed["voices"]] == [own, "alloy"]
    assert listed["voices"] == listed["data"]


def test_its_speech_outlives_a_restart(bench: VoiceBench) -> None:
    assert said(bench, input="Kept.").status_code == 200
    bench.gateway.stop()
    bench.gateway.restart()
    bench.wait_until_ready()
    # From the store: with its real size.
    assert said(bench, input="Kept.").headers["Content-Length"]


def test_a_device_is_named_in_every_way_there_is(bench: VoiceBench) -> None:
    device = "设备 7/a"
    own = bench.train(spoken_wav(), device=device, name="Seven")["id"]
    coded = requests.utils.quote(device, safe="")
    ways: list[tuple[str, dict[str, str | bytes], dict[str, str]]] = [
        ("/v1/audio/speech", {"X-Device-ID": device.encode()}, {}),
        ("/v1/audio/speech", {"Authorization": f"Bearer device={coded}"}, {}),
        ("/v1/audio/speech", {"Authorization": f"Bearer some-key;device={coded}"}, {}),
        ("/v1/audio/speech", {"X-API-Key": f"device={coded}"}, {}),
        (f"/device/{coded}/v1/audio/speech", {}, {}),
        (f"/device/{coded}/audio/speech", {}, {}),
        ("/v1/audio/speech", {}, {"device_id": device}),
    ]
    for path, headers, fields in ways:
        body = {"voice": "Seven", "input": "By name.", "response_format": "pcm", **fields}
        answer = requests.post(bench.url + path, json=body, headers=headers, timeout=60)
        assert answer.status_code == 200, (path, headers, answer.text)
        voices = requests.get(bench.url + path.replace("speech", "voices"), headers=headers, timeout=10).json()["data"]
        assert (own in [one["id"] for one in voices]) is not bool(fields)
    # What names it never reaches the log.
    assert "%E8%AE%BE%E5%A4%87" not in bench.gateway.output()
    assert "设备 7" not in bench.gateway.output()
