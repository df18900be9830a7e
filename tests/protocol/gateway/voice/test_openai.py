"""OpenAI's speech API, mostly through OpenAI's own client."""

import json
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import openai
import pytest
import requests

from tests.support.engine import pitch_of
from tests.support.front import running_front
from tests.support.voice import VoiceBench, converted, voice_bench


@pytest.fixture
def client(bench: VoiceBench) -> Iterator[openai.OpenAI]:
    headers = {"X-Device-ID": "device-1"}
    with openai.OpenAI(
        base_url=bench.url + "/v1", api_key="unused", default_headers=headers, max_retries=0, timeout=30
    ) as made:
        yield made


def probe(content: bytes) -> dict[str, str]:
    command = ["ffprobe", "-v", "error", "-of", "json", "-show_entries", "stream=codec_name,sample_rate", "-"]
    done = subprocess.run(command, input=content, capture_output=True, check=True)
    stream: dict[str, str] = json.loads(done.stdout)["streams"][0]
    return stream


@pytest.mark.parametrize(
    ("kind", "codec", "media_type"),
    [
        ("mp3", "mp3", "audio/mpeg"),
        ("opus", "opus", "audio/ogg"),
        ("aac", "aac", "audio/aac"),
        ("flac", "flac", "audio/flac"),
        ("wav", "pcm_s16le", "audio/wav"),
    ],
)
def test_the_official_client_gets_every_format(
    client: openai.OpenAI, voice: str, kind: str, codec: str, media_type: str
) -> None:
    answer = client.audio.speech.create(model="tts-1", voice=voice, input=f"In {kind}.", response_format=kind)  # type: ignore[arg-type]
    assert answer.response.headers["content-type"] == media_type
    assert probe(answer.content)["codec_name"] == codec


def test_pcm_is_bare_samples_and_mp3_the_default(client: openai.OpenAI, voice: str) -> None:
    pcm = client.audio.speech.create(model="tts-1", voice=voice, input="Bare.", response_format="pcm")
    wav = client.audio.speech.create(model="tts-1", voice=voice, input="Bare.", response_format="wav").content
    assert pcm.response.headers["content-type"] == "audio/pcm; rate=24000; channels=1"
    assert pcm.response.headers["x-sample-rate"] == "24000"
    # OpenAI's rate; the engine's is 22 050 Hz.
    assert len(pcm.content) == pytest.approx((len(wav) - 44) * 24000 / 22050, rel=0.01)
    default = client.audio.speech.create(model="tts-1", voice=voice, input="Default.")
    assert default.response.headers["content-type"] == "audio/mpeg"


def test_encoding_loses_nothing(bench: VoiceBench, client: openai.OpenAI, voice: str) -> None:
    text = "From the first sample to the last."
    wav = client.audio.speech.create(model="tts-1", voice=voice, input=text, response_format="wav").content
    flac = client.audio.speech.create(model="tts-1", voice=voice, input=text, response_format="flac").content
    stored = bench.speech(voice, text, format="flac")
    for content in (flac, stored):
        assert converted(content, "-f", "s16le") == wav[44:]


def test_bare_samples_keep_their_pitch(client: openai.OpenAI, voice: str) -> None:
    text = "The pitch of the voice is what it was."
    pcm = client.audio.speech.create(model="tts-1", voice=voice, input=text, response_format="pcm").content
    wav = client.audio.speech.create(model="tts-1", voice=voice, input=text, response_format="wav").content
    assert pitch_of(pcm, 24000) == pytest.approx(pitch_of(wav[44:], 22050), rel=0.03)


def test_an_engine_of_that_rate_gives_its_samples_as_they_are(tmp_path: Path) -> None:
    with voice_bench(tmp_path, engine={"preview_free": 1, "model": "iic/CosyVoice2-0.5B"}) as bench:
        voice = bench.ready_voice()
        url, body = bench.url + "/v1/audio/speech", {"voice": voice, "input": "As they are."}
        streamed = requests.post(url, json={**body, "response_format": "pcm"}, timeout=30)
        wav = requests.post(url, json={**body, "response_format": "wav"}, timeout=30)
        assert streamed.content == wav.content[44:]
        bench.tts(voice, "As they are.", format="pcm")
        stored = requests.post(url, json={**body, "response_format": "pcm"}, timeout=30)
        assert (stored.content, "Accept-Ranges" in stored.headers) == (streamed.content, True)
        for answer in (streamed, stored):
            assert answer.headers["Content-Type"] == "audio/pcm; rate=24000; channels=1"
            assert answer.headers["X-Sample-Rate"] == "24000"


def test_the_official_client_streams(client: openai.OpenAI, voice: str) -> None:
    with client.audio.speech.with_streaming_response.create(
        model="tts-1", voice=voice, input="Streaming. " * 20, response_format="wav"
    ) as answer:
        pieces = list(answer.iter_bytes(4096))
    assert b"".join(pieces)[:4] == b"RIFF"
    # While it streams, nobody knows the size.
    assert struct.unpack("<I", b"".join(pieces)[40:44])[0] == 0xFFFFFFFF


def test_finished_speech_is_served_with_its_right_size(bench: VoiceBench, client: openai.OpenAI, voice: str) -> None:
    bench.tts(voice, "Made before.")
    wav = client.audio.speech.create(model="tts-1", voice=voice, input="Made before.", response_format="wav").content
    assert struct.unpack("<I", wav[40:44])[0] == len(wav) - 44


def test_models_and_voices_are_listed(client: openai.OpenAI, bench: VoiceBench, voice: str) -> None:
    models = [model.id for model in client.models.list()]
    assert {"tts-1", "iic/CosyVoice-300M"} <= set(models)
    assert client.models.retrieve("iic/CosyVoice-300M").id == "iic/CosyVoice-300M"
    headers = {"X-Device-ID": "device-1"}
    listed = requests.get(bench.url + "/v1/audio/voices", headers=headers, timeout=10).json()["data"]
    assert {"id": voice, "name": "Anna", "object": "voice"} in listed
    # Whoever names no device sees nobody's.
    nobodys = requests.get(bench.url + "/v1/audio/voices", timeout=10).json()["data"]
    assert nobodys == [{"id": "alloy", "name": "alloy", "object": "voice"}]


def test_a_voice_goes_by_name_within_its_device(client: openai.OpenAI, bench: VoiceBench, voice: str) -> None:
    named = client.audio.speech.create(model="tts-1", voice="Anna", input="By name.", response_format="pcm").content
    by_id = client.audio.speech.create(model="tts-1", voice=voice, input="By name.", response_format="pcm").content
    assert named == by_id
    body = {"model": "tts-1", "voice": "Anna", "input": "By name."}
    for headers in ({}, {"X-Device-ID": "stranger"}):
        answer = requests.post(bench.url + "/v1/audio/speech", json=body, headers=headers, timeout=10)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "voice_not_found")
    assert requests.post(bench.url + "/v1/audio/speech", json={**body, "voice": voice}, timeout=10).status_code == 200


def test_a_device_in_any_script_is_understood_in_the_header(bench: VoiceBench) -> None:
    voice = bench.ready_voice(device="客户端 1", name="小明")
    for device in ("客户端 1".encode(), "客户端 2".encode(), b"caf\xe9"):
        listed = requests.get(bench.url + "/v1/audio/voices", headers={"X-Device-ID": device}, timeout=10)
        assert listed.status_code == 200, listed.text
        expected = [voice] if device.endswith(b"1") else []
        assert [one["id"] for one in listed.json()["data"]] == [*expected, "alloy"]
    bad = requests.get(bench.url + "/v1/audio/voices", headers={"X-Device-ID": "x" * 300}, timeout=10)
    assert (bad.status_code, bad.json()["error"]["code"]) == (400, "invalid_device_id")


def test_errors_have_openais_shape(client: openai.OpenAI, voice: str) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        client.audio.speech.create(model="tts-1", voice="nobody", input="Hello.")
    assert missing.value.code == "voice_not_found"
    assert missing.value.param == "voice"
    with pytest.raises(openai.BadRequestError) as fast:
        client.audio.speech.create(model="tts-1", voice=voice, input="Hello.", speed=5.0)
    assert (fast.value.code, fast.value.param) == ("invalid_request", "speed")


@pytest.mark.slow
def test_speed_changes_the_length(tmp_path: Path) -> None:
    with voice_bench(tmp_path, engine={}) as bench:
        voice = bench.ready_voice()

        def length(speed: float) -> int:
            body = {"voice": voice, "input": "The same words again.", "speed": speed, "response_format": "pcm"}
            return len(requests.post(bench.url + "/v1/audio/speech", json=body, timeout=60).content)

        assert length(2.0) < length(1.0) < length(0.5)


@pytest.mark.slow
def test_the_first_bytes_come_before_the_last_are_made(tmp_path: Path) -> None:
    """With an engine that takes seconds per sentence, sound is there while it still speaks, in every format."""
    with voice_bench(tmp_path, engine={"preview_rtf": 0.3}) as bench:
        voice = bench.ready_voice()
        for kind in ("wav", "pcm", "mp3", "opus", "aac", "flac"):
            body = {"voice": voice, "input": f"{kind}. " + "One sentence after another. " * 4, "response_format": kind}
            started = time.monotonic()
            with requests.post(bench.url + "/v1/audio/speech", json=body, stream=True, timeout=60) as answer:
                pieces = answer.iter_content(None)
                next(pieces)
                first = time.monotonic() - started
                for _ in pieces:
                    pass
                whole = time.monotonic() - started
            assert first < whole / 2, (kind, first, whole)


def running(bench: VoiceBench) -> int:
    return int(bench.engine.health()["queue"]["running"])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pcm", "flac"])
def test_a_client_that_reads_no_more_frees_the_engine(tmp_path: Path, kind: str) -> None:
    long = {"max_text_chars": 20_000}
    with (
        voice_bench(tmp_path, engine=long, **long) as bench,
        running_front(tmp_path / "front", voice=f"127.0.0.1:{bench.gateway.port}", front_idle_timeout=1) as front,
    ):
        voice = bench.ready_voice()
        # More than the sockets of both sides and an encoder's pipes take.
        text = "A long story about nothing in particular. " * 300
        with closing(socket.socket()) as stalled:
            stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stalled.connect(("127.0.0.1", front.voice_port))
            stalled.settimeout(30)
            stalled.sendall(speech_request(voice, text, kind))
            assert stalled.recv(64).startswith(b"HTTP/1.1 200")
            answer = bench.tts(voice, "Next.")
            assert answer.status_code == 200
            assert running(bench) == 0


def speech_request(voice: str, text: str, kind: str) -> bytes:
    body = json.dumps({"voice": voice, "input": text, "response_format": kind}).encode()
    return f"POST /v1/audio/speech HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def test_a_disconnect_frees_the_engine(tmp_path: Path) -> None:
    with voice_bench(tmp_path, engine={"preview_rtf": 1.0}) as bench:
        voice = bench.ready_voice()
        with closing(socket.create_connection(("127.0.0.1", bench.gateway.port), timeout=30)) as connection:
            connection.sendall(speech_request(voice, "A long story. " * 60, "pcm"))
            assert connection.recv(64).startswith(b"HTTP/1.1 200")
            assert running(bench) == 1
        deadline = time.monotonic() + 10
        while running(bench) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert running(bench) == 0
        # The slot is free for others at once.
        assert bench.tts(voice, "Next.").status_code == 200


@pytest.mark.slow
def test_a_disconnect_while_waiting_leaves_the_queue(tmp_path: Path) -> None:
    with voice_bench(tmp_path, engine={"preview_rtf": 1.0}) as bench:
        voice = bench.ready_voice()
        url = bench.url + "/v1/audio/speech"
        long = {"voice": voice, "input": "A long story. " * 60, "response_format": "pcm"}
        with requests.post(url, json=long, stream=True, timeout=30) as first:
            next(first.iter_content(1))
            with pytest.raises(requests.Timeout):
                requests.post(url, json={**long, "input": "Impatient."}, timeout=0.5)
            deadline = time.monotonic() + 10
            while bench.metric("twinport_queue_length") and time.monotonic() < deadline:
                time.sleep(0.05)
            assert bench.metric("twinport_queue_length") == 0


def test_a_failing_engine_is_a_json_error_before_and_a_cut_after_the_first_sound(tmp_path: Path) -> None:
    # A model of OpenAI's rate: its bare samples need no encoder.
    switches = {"preview_fail": "before,within", "preview_fail_on_demand": 1, "model": "iic/CosyVoice2-0.5B"}
    with voice_bench(tmp_path, engine=switches) as bench:
        voice = bench.ready_voice()
        url = bench.url + "/v1/audio/speech"
        before = requests.post(url, json={"voice": voice, "input": "fail before"}, timeout=30)
        assert before.status_code == 502
        assert before.json()["error"]["type"] == "server_error"
        text = "A first sentence that is long enough to be a segment of its own. fail within. " * 5
        for kind in ("wav", "pcm"):
            body = {"voice": voice, "input": text, "response_format": kind}
            with pytest.raises(requests.exceptions.ChunkedEncodingError):
                requests.post(url, json=body, timeout=30)
        # An encoder may not have given anything out yet: then it is an honest error.
        try:
            unheard = requests.post(url, json={"voice": voice, "input": text, "response_format": "mp3"}, timeout=30)
        except requests.exceptions.ChunkedEncodingError:
            pass
        else:
            assert (unheard.status_code, unheard.json()["error"]["code"]) == (502, "engine_stream_broken")
        assert bench.tts(voice, "All is well.").status_code == 200
