"""One interface to every generation of the package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cosyvoice_server.cancellation import Cancellation
from cosyvoice_server.model import ATTEMPTS, STOPPED_EARLY, Engine
from cosyvoice_server.order import Order


class Oldest:
    """A package from before known speakers and `AutoModel`: the reference goes along with each call."""

    sample_rate = 22050

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def inference_zero_shot(self, tts_text: str, prompt_text: str, prompt_wav: str, stream: bool = False) -> Any:
        self.calls.append((tts_text, prompt_text, prompt_wav, stream))
        yield {"tts_speech": np.zeros((1, 100), dtype=np.float32)}


def test_a_package_without_known_speakers_gets_the_reference_each_time(tmp_path: Path) -> None:
    model = Oldest()
    engine = Engine(model)
    assert not engine.analyses_once
    order = Order("zero_shot", "hello", prompt_text="what it says", reference=tmp_path / "r.wav", speed=2.0)
    assert [len(pcm) for pcm in engine.generate(order, None, Cancellation())] == [200]
    assert model.calls == [("hello", "what it says", str(tmp_path / "r.wav"), False)]


@pytest.mark.parametrize(
    ("instruct", "kind", "expected"),
    [
        ("calm", "CosyVoice2", "calm<|endofprompt|>"),
        ("calm", "CosyVoice3", "You are a helpful assistant. calm<|endofprompt|>"),
        ("You are a helpful assistant. calm", "CosyVoice3", "You are a helpful assistant. calm<|endofprompt|>"),
        ("calm<|endofprompt|>", "CosyVoice3", "calm<|endofprompt|>"),
    ],
)
def test_instructions_end_in_the_mark_that_the_model_needs(instruct: str, kind: str, expected: str) -> None:
    heard = []

    def inference_instruct2(self: Any, tts_text: str, instruct_text: str, prompt_wav: str) -> Any:
        heard.append(instruct_text)
        yield {"tts_speech": np.zeros((1, 10), dtype=np.float32)}

    methods = {"inference_instruct2": inference_instruct2, "sample_rate": 24000}
    engine = Engine(type(kind, (Oldest,), methods)())
    order = Order("instruct2", "hello", instruct_text=instruct, reference=Path("r.wav"))
    assert list(engine.generate(order, None, Cancellation()))
    assert heard == [expected]


class Stopping(Oldest):
    """A model whose first calls stop before any sound; after the first sound it always does."""

    def __init__(self, early: int, late: bool = False) -> None:
        super().__init__()
        self.early, self.late = early, late

    def inference_zero_shot(self, *_: Any, **__: Any) -> Any:
        self.calls.append((float(np.random.random()),))
        if len(self.calls) <= self.early:
            raise RuntimeError(f"Kernel size: (4). {STOPPED_EARLY}")
        yield {"tts_speech": np.zeros((1, 10), dtype=np.float32)}
        if self.late:
            raise RuntimeError(f"Kernel size: (4). {STOPPED_EARLY}")


def say(model: Any, **fields: Any) -> list[bytes]:
    order = Order("zero_shot", "hello", prompt_text="x", reference=Path("r.wav"), **fields)
    return list(Engine(model).generate(order, None, Cancellation()))


def test_a_model_that_stops_early_runs_again() -> None:
    model = Stopping(early=ATTEMPTS - 1)
    assert len(say(model)) == 1
    assert len(model.calls) == ATTEMPTS


def test_each_attempt_has_its_own_seed_and_repeats() -> None:
    first, second = Stopping(early=1), Stopping(early=1)
    say(first, seed=2**32 - 1)
    say(second, seed=2**32 - 1)
    assert first.calls == second.calls
    assert len(set(first.calls)) == 2


@pytest.mark.parametrize(("early", "late", "calls"), [(ATTEMPTS, False, ATTEMPTS), (0, True, 1)])
def test_it_is_given_up_after_some_attempts_and_once_there_was_sound(early: int, late: bool, calls: int) -> None:
    model = Stopping(early=early, late=late)
    with pytest.raises(RuntimeError, match="Kernel size"):
        say(model)
    assert len(model.calls) == calls
