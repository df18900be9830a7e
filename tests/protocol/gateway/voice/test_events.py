"""Speech as OpenAI's server-sent events, with the times of its sentences."""

import base64
import itertools
import json
import struct
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.voice import VoiceBench, converted, voice_bench

TEXT = "The first sentence is here. And this is the second, a longer one! 第三句话在这里。"
SENTENCES = ["The first sentence is here.", "And this is the second, a longer one!", "第三句话在这里。"]


def streamed(bench: VoiceBench, **body: Any) -> requests.Response:
    return requests.post(
        bench.url + "/v1/audio/speech",
        json={"model": "gpt-4o-mini-tts", "stream_format": "sse", "voice": "alloy", **body},
        timeout=120,
    )


def events(answer: requests.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    lines = [line for line in answer.content.decode().split("\n") if line]
    assert all(line.startswith("data: ") for line in lines)
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def sound(found: list[dict[str, Any]]) -> bytes:
    return b"".join(base64.b64decode(one["audio"]) for one in found if one["type"] == "speech.audio.delta")


@pytest.mark.parametrize("kind", ["mp3", "opus", "aac", "flac", "wav", "pcm"])
def test_the_sound_is_whole_in_every_format(bench: VoiceBench, kind: str) -> None:
    found = events(streamed(bench, input=TEXT, response_format=kind))
    assert {one["type"] for one in found[:-1]} == {"speech.audio.delta"}
    done = found[-1]
    assert done["type"] == "speech.audio.done"
    assert done["usage"]["total_tokens"] == done["usage"]["input_tokens"] + done["usage"]["output_tokens"]
    assert min(done["usage"].values()) > 0
    heard = sound(found)
    samples = heard if kind == "pcm" else converted(heard, "-f", "s16le", "-ac", "1", "-ar", "24000")
    # An encoder may add some tens of milliseconds.
    assert len(samples) / 48 == pytest.approx(done["sentences"][-1]["end_ms"], abs=120)


def test_each_sentence_has_its_times(bench: VoiceBench) -> None:
    found = events(streamed(bench, input=TEXT, response_format="pcm"))
    sentences = found[-1]["sentences"]
    assert [one["text"] for one in sentences] == SENTENCES
    assert sentences[0]["start_ms"] == 0
    for one, following in itertools.pairwise(sentences):
        assert one["start_ms"] < one["end_ms"] == following["start_ms"]
    assert sentences[-1]["end_ms"] == round(len(sound(found)) / 48)
    marks = [mark for one in found for mark in one.get("marks", ())]
    assert [(mark["type"], mark["sentence"]) for mark in marks] == [
        (f"sentence.{what}", number) for number in range(3) for what in ("start", "end")
    ]
    # Each comes with or before the sound that it is about.
    heard = 0
    for one in found[:-1]:
        for mark in one.get("marks", ()):
            assert mark["ms"] <= round(heard / 48) + 1
        heard += len(base64.b64decode(one["audio"]))


def test_nothing_to_say_is_a_short_silence(bench: VoiceBench) -> None:
    found = events(streamed(bench, input="...", response_format="pcm"))
    assert found[-1]["sentences"] == []
    assert set(sound(found)) == {0}


def test_errors_come_as_they_do_without_events(bench: VoiceBench) -> None:
    missing = streamed(bench, input="Hello.", voice="nobody")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "voice_not_found")
    wrong = streamed(bench, input="Hello.", stream_format="smoke")
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "stream_format")


def test_an_engine_that_breaks_off_is_reported_in_an_event(tmp_path: Path) -> None:
    switches = {"preview_fail": "within", "preview_fail_on_demand": 1, "model": "iic/CosyVoice2-0.5B"}
    with voice_bench(tmp_path, engine=switches) as bench:
        text = "All is well at first. fail within. " + "A sentence that is long enough to be a segment of its own. " * 5
        body = {"input": text, "stream_format": "sse", "response_format": "pcm"}
        received = b""
        with (
            requests.post(bench.url + "/v1/audio/speech", json=body, stream=True, timeout=60) as answer,
            pytest.raises(requests.exceptions.ChunkedEncodingError),
        ):
            assert answer.status_code == 200
            for piece in answer.iter_content(None):
                received += piece
        last = json.loads(received.decode().strip().split("\n\n")[-1].removeprefix("data: "))
        assert (last["type"], last["error"]["code"]) == ("error", "engine_stream_broken")


NOTHING = ["...", "---", "😊", "```", "   ", "", "。。。", "\u200b", "?!"]


@pytest.mark.parametrize("text", NOTHING)
def test_what_cannot_be_said_is_silence(bench: VoiceBench, text: str) -> None:
    body = {"voice": "alloy", "input": text}
    wav = requests.post(bench.url + "/v1/audio/speech", json={**body, "response_format": "wav"}, timeout=60)
    assert wav.status_code == 200, wav.text
    assert wav.content[:4] == b"RIFF"
    assert set(wav.content[44:]) == {0}
    assert 0 < len(wav.content) / 48000 < 1


@pytest.mark.parametrize("kind", ["mp3", "opus", "aac", "flac", "pcm"])
def test_silence_is_playable_in_every_format(bench: VoiceBench, kind: str) -> None:
    body = {"voice": "alloy", "input": "...", "response_format": kind}
    answer = requests.post(bench.url + "/v1/audio/speech", json=body, timeout=60)
    assert answer.status_code == 200
    assert answer.content if kind == "pcm" else converted(answer.content, "-f", "s16le")


@pytest.mark.parametrize(
    "fields",
    [
        {"speed": None, "response_format": None, "instructions": None, "stream_format": None, "model": None},
        {"language": "en", "extra_body": {"a": [1]}, "user": "u", "seed": 1, "stream": True, "volume": None},
        {"response_format": "MP3"},
        {"response_format": "audio/mpeg"},
        {"response_format": "ogg"},
        {"stream_format": "audio"},
        {"stream_format": "SSE"},
        {"speed": "1.5"},
        {"speed": 1},
        {"instructions": "Speak as a tired butler would. " * 100},
        {"model": "kokoro"},
        {"device_id": ""},
    ],
)
def test_clients_send_many_things(bench: VoiceBench, fields: dict[str, Any]) -> None:
    body = {"voice": "alloy", "input": "Many things.", **fields}
    answer = requests.post(bench.url + "/v1/audio/speech", json=body, timeout=60)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(("asked", "used"), [(0.25, "0.5"), (0.5, "0.5"), (1.5, "1.5"), (2, "2"), (4.0, "2")])
def test_a_speed_that_the_engine_lacks_is_the_nearest(bench: VoiceBench, asked: float, used: str) -> None:
    body = {"voice": "alloy", "input": "As fast as it goes.", "speed": asked, "response_format": "pcm"}
    for _ in range(2):  # made, then stored
        answer = requests.post(bench.url + "/v1/audio/speech", json=body, timeout=60)
        assert (answer.status_code, answer.headers["X-Speed"]) == (200, used)


@pytest.mark.parametrize("speed", [0.2, 4.1, 0, -1, "fast", []])
def test_no_speed_at_all_is_refused(bench: VoiceBench, speed: object) -> None:
    body = {"voice": "alloy", "input": "Hello.", "speed": speed}
    answer = requests.post(bench.url + "/v1/audio/speech", json=body, timeout=60)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "speed")


@pytest.mark.parametrize("length", [4096, 9000])
def test_long_texts_are_spoken(bench: VoiceBench, length: int) -> None:
    text = ("The children walk across the old bridge every evening. " * 200)[:length]
    body = {"voice": "alloy", "input": text, "response_format": "wav"}
    with requests.post(bench.url + "/v1/audio/speech", json=body, timeout=120, stream=True) as answer:
        assert answer.status_code == 200
        assert struct.unpack("<4s", next(answer.iter_content(4)))[0] == b"RIFF"


def test_a_text_that_is_too_long_gets_a_sentence(bench: VoiceBench) -> None:
    body = {"voice": "alloy", "input": "x" * 10_001}
    answer = requests.post(bench.url + "/v1/audio/speech", json=body, timeout=60)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "text_too_long")
