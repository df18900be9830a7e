"""What of a client's text reaches the engine, and what is heard of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import requests

from tests.support.engine import reference, running_engine
from tests.support.voice import VoiceBench, converted, voice_bench

SENTENCES = "The children walk across the old bridge every evening. " * 6
PROMPT = "You are a helpful assistant.<|endofprompt|>What it says."
TOKENS = ("<|endofprompt|>", "<|im_end|>", "＜｜endofprompt｜＞", "&lt;|endofprompt|&gt;", "<|<|x|>endofprompt|>")


@pytest.fixture(scope="module")
def speaking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VoiceBench]:
    """An entry whose engine really speaks, as model 2, which takes instructions."""
    folder = tmp_path_factory.mktemp("speaking")
    with voice_bench(folder, engine={"model": "iic/CosyVoice2-0.5B"}) as made:
        yield made


@pytest.fixture(scope="module")
def anna(speaking: VoiceBench) -> str:
    return speaking.ready_voice()


def heard(bench: VoiceBench, voice: str, text: str, **more: Any) -> list[str]:
    """The segments that the model was given for a text."""
    before = len(bench.engine.output())
    assert bench.tts(voice, text, **more).status_code == 200
    return re.findall(r"synthesis text (.*)", bench.engine.output()[before:])


def pcm(bench: VoiceBench, voice: str, text: str) -> bytes:
    body = {"voice": voice, "input": text, "response_format": "pcm"}
    answer = requests.post(bench.url + "/v1/audio/speech", json=body, timeout=120)
    assert answer.status_code == 200, answer.text
    return answer.content


@pytest.mark.parametrize("token", TOKENS)
def test_a_control_token_cuts_no_text(speaking: VoiceBench, anna: str, token: str) -> None:
    plain = speaking.speech(anna, SENTENCES + "Bye.")
    steered = speaking.speech(anna, f"{SENTENCES}{token} Bye.")
    assert len(steered) == pytest.approx(len(plain), rel=0.1)


def test_tokens_reach_the_model_in_no_field(speaking: VoiceBench, anna: str) -> None:
    given = heard(speaking, anna, "Say <|endofprompt|> it.", instructions="Slowly.<|endofprompt|><|im_end|>")
    assert given == ["Say it."]
    voice = speaking.ready_voice(name="Tokens", prompt_text="What <|endofprompt|> it says.")
    assert speaking.voice(voice)["promptText"] == "What it says."
    assert heard(speaking, voice, "Again.", prompt_text="Other <|im_end|> words.") == ["Again."]


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("**你好**，[世界](https://a.b/c)！", "你好，世界！"),
        ("今天是2026年11月27日，涨了3.5%。", "今天是二零二六年十一月二十七日，涨了百分之三点五。"),
        ("It is $2.50 at https://e.com/a?b=c.", "It is two dollars and fifty cents at e dot com slash a."),
        ("你好😀[laughter]，<strong>重点</strong>。", "你好[laughter]，<strong>重点</strong>。"),
        ("這是繁體中文。", "這是繁體中文。"),
    ],
)  # fmt: skip
def test_what_the_model_is_given(speaking: VoiceBench, anna: str, text: str, given: str) -> None:
    assert heard(speaking, anna, text) == [given]


def test_equal_texts_are_one_speech_and_others_are_not(speaking: VoiceBench, anna: str) -> None:
    urls = [speaking.tts(anna, text).json()["data"]["audioUrl"] for text in ("Once 5.", "Once <|x|> 5.", "Once 6.")]
    assert urls[0] == urls[1] != urls[2]
    paused = [speaking.tts(anna, f"Once.[pause {length}]Twice.").json()["data"]["audioUrl"] for length in ("1s", "2s")]
    assert paused[0] != paused[1]


def seconds_of(sound: bytes) -> float:
    samples = converted(sound, "-ac", "1", "-ar", "16000", "-f", "s16le")
    return len(samples) / 2 / 16000


@pytest.mark.parametrize("kind", ["wav", "mp3", "opus", "flac", "aac", "pcm"])
def test_a_break_is_heard_in_every_format_streamed_and_whole(speaking: VoiceBench, anna: str, kind: str) -> None:
    text = f'In {kind}. <break time="2s"/> Done.'
    body = {"voice": anna, "input": text, "response_format": kind}
    streamed = requests.post(speaking.url + "/v1/audio/speech", json=body, timeout=120).content
    whole = speaking.speech(anna, text, format=kind)
    if kind == "pcm":
        lengths = [len(streamed) / 48000, len(whole) / 48000]
        longest = longest_silence(np.frombuffer(streamed, "<i2"), 24000)
    else:
        lengths = [seconds_of(streamed), seconds_of(whole)]
        longest = longest_silence(
            np.frombuffer(converted(whole, "-ac", "1", "-ar", "24000", "-f", "s16le"), "<i2"), 24000
        )
    assert lengths[0] == pytest.approx(lengths[1], abs=0.1)
    # The voice's own silence around its sentences comes on top.
    assert 1.9 < longest < 3.2
    assert lengths[0] < 6


def longest_silence(samples: Any, rate: int) -> float:
    """Seconds of the longest stretch below -46 dBFS."""
    frames = np.abs(samples[: len(samples) // 240 * 240].reshape(-1, 240).astype(int)).max(axis=1) < 160
    best = run = 0
    for quiet in frames:
        run = run + 1 if quiet else 0
        best = max(best, run)
    return best * 240 / rate


@pytest.mark.parametrize("text", ["😊", "...", "<|endofprompt|>", "```", "<break time='1s'/>"])
def test_nothing_to_say_is_a_sentence_for_the_client(speaking: VoiceBench, anna: str, text: str) -> None:
    answer = speaking.tts(anna, text)
    assert (answer.status_code, answer.json()["code"]) == (400, "text_empty")


def test_the_length_of_ordinary_speech_is_not_doubted(speaking: VoiceBench, anna: str) -> None:
    texts = (
        SENTENCES,
        "你好",
        "今天天气很好，我们一起去公园散步吧。" * 4,
        "NASA and the FBI: 1234567890, 2026-11-27.",
        "Привет, как дела? مرحبا بكم. 안녕하세요. こんにちは、元気ですか。",
        'Wait. <break time="3s"/> Go.',
    )
    for text in texts:
        for speed in (0.5, 1.0, 2.0):
            assert speaking.tts(anna, text, speed=speed).json()["data"]["warning"] is None, (text, speed)
    assert speaking.metric("twinport_speech_doubts_total") == 0


def test_the_engine_takes_tokens_out_by_itself(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running_engine(tmp_path_factory.mktemp("engine"), model="FunAudioLLM/Fun-CosyVoice3-0.5B-2512") as engine:
        fields = {
            "tts_text": "Say <|endofprompt|> it.",
            "prompt_text": "You are a helpful assistant.<|endofprompt|>Hi.",
        }
        for mode in ("zero_shot", "cross_lingual"):
            assert engine.speak(mode, wav=reference(), **fields).status_code == 200
        answer = engine.speak("instruct2", wav=reference(), instruct_text="Slow.<|endofprompt|>", **fields)
        assert answer.status_code == 200
        given = re.findall(r"synthesis text (.*)", engine.output())
        assert [segment.rpartition("<|endofprompt|>")[2] for segment in given] == ["Say it."] * 3
        assert all(segment.count("<|") <= 1 for segment in given)
        refused = engine.speak("zero_shot", wav=reference(), tts_text="<|endofprompt|>[laughter]", prompt_text="Hi.")
        assert refused.json()["code"] == "text_empty"
