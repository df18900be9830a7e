"""Parts of the engine's server that need no running engine."""

from __future__ import annotations

import ast
import asyncio
import dataclasses
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.engine import SERVER_FILE, reference, server_module

server = server_module()
SOURCE = SERVER_FILE.read_text(encoding="utf-8")
# What the engine's image has besides the standard library, by CosyVoice's own requirements.
IN_THE_IMAGE = {"fastapi", "starlette", "uvicorn", "numpy", "soundfile", "python_multipart", "multipart"}


def test_it_is_python_3_8() -> None:
    ast.parse(SOURCE, feature_version=(3, 8))


def test_it_imports_only_what_the_image_has() -> None:
    imported = set()
    for node in ast.walk(ast.parse(SOURCE)):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").split(".")[0])
    assert imported - set(sys.stdlib_module_names) <= IN_THE_IMAGE


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        (0.0, 0),
        (0.5, 16384),
        (-0.5, -16384),
        (1.0, 32767),
        (-1.0, -32768),
        (7.0, 32767),
        (-7.0, -32768),
        (float("nan"), 0),
        (float("inf"), 32767),
    ],
)
def test_samples_are_clipped(sample: float, expected: int) -> None:
    assert np.frombuffer(server.to_pcm(np.array([[sample]])), "<i2").tolist() == [expected]


def test_settings_come_from_the_environment() -> None:
    environ = {
        "COSYVOICE_SLOTS": "3",
        "COSYVOICE_FP16": "yes",
        "COSYVOICE_QUEUE_TIMEOUT_SECONDS": "1.5",
        "COSYVOICE_MODEL": "/models/x",
        "MODELSCOPE_CACHE": "/cache",
    }
    settings = server.Settings.from_environment(environ, port=1, model=None)
    assert (settings.slots, settings.fp16, settings.queue_timeout_seconds) == (3, True, 1.5)
    assert (settings.model, settings.port, settings.load_trt) == ("/models/x", 1, None)
    assert settings.voices_dir == "/cache/twinport_voices"


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(server.Settings)])
def test_every_setting_is_documented(name: str) -> None:
    documentation = (SERVER_FILE.parents[1] / "docs" / "engine-api.md").read_text(encoding="utf-8")
    assert f"`COSYVOICE_{name.upper()}`" in documentation


@pytest.mark.parametrize("value", ["many", "1.5", ""])
def test_bad_settings_are_named(value: str) -> None:
    if value == "":
        assert server.Settings.from_environment({"COSYVOICE_SLOTS": value}).slots == 1
        return
    with pytest.raises(ValueError, match="COSYVOICE_SLOTS"):
        server.Settings.from_environment({"COSYVOICE_SLOTS": value})


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (AssertionError("do not support extract speech token for audio longer than 30s"), 422, "prompt_too_long"),
        (AssertionError("wav sample rate 8000 must be greater than 16000"), 422, "prompt_rate_too_low"),
        (AssertionError("choose a window size 400 that is [2, 320]"), 422, "prompt_too_short"),
        (RuntimeError("Error opening '/tmp/x.wav': Format not recognised."), 422, "prompt_not_audio"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), 503, "out_of_memory"),
        (NotImplementedError("inference_instruct is not implemented for CosyVoice2!"), 422, "mode_not_supported"),
        (ValueError("something else\nentirely"), 500, "engine_error"),
    ],
)
def test_the_models_own_words_are_understood(error: Exception, status: int, code: str) -> None:
    answer = server.explain_failure(error)
    assert (answer.status, answer.code) == (status, code)


@pytest.mark.parametrize(
    ("error", "code", "exit_code"),
    [
        (ModuleNotFoundError("No module named 'matcha'"), "package_incomplete", 10),
        (AttributeError("'Loader' object has no attribute 'max_depth'"), "package_incomplete", 10),
        (TypeError("No valid model type found!"), "model_incomplete", 12),
        (RuntimeError("PytorchStreamReader failed reading zip archive"), "model_incomplete", 12),
        (RuntimeError("CUDA error: no kernel image is available for execution on the device"), "gpu_not_usable", 13),
        (RuntimeError("Found no NVIDIA driver on your system"), "gpu_not_usable", 13),
        (OSError("what else"), "load_failed", 14),
    ],
)
def test_failed_loads_have_a_code(error: Exception, code: str, exit_code: int) -> None:
    assert server.LoadFailed("loading", error).classify() == (code, exit_code)


# --- the installed package's generation ---


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
    engine = server.Engine(model, slots=1)
    assert not engine.analyses_once
    order = server.Order("zero_shot", "hello", prompt_text="what it says", reference=tmp_path / "r.wav", speed=2.0)
    assert [len(pcm) for pcm in engine.generate(order, None, server.Cancellation())] == [200]
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
def test_instructions_end_in_the_mark_that_the_model_wants(instruct: str, kind: str, expected: str) -> None:
    heard = []

    def inference_instruct2(self: Any, tts_text: str, instruct_text: str, prompt_wav: str) -> Any:
        heard.append(instruct_text)
        yield {"tts_speech": np.zeros((1, 10), dtype=np.float32)}

    methods = {"inference_instruct2": inference_instruct2, "sample_rate": 24000}
    engine = server.Engine(type(kind, (Oldest,), methods)(), slots=1)
    order = server.Order("instruct2", "hello", instruct_text=instruct, reference=Path("r.wav"))
    assert list(engine.generate(order, None, server.Cancellation()))
    assert heard == [expected]


def package_with(rate_in_code: int) -> tuple[types.ModuleType, list[int]]:
    module = types.ModuleType("frontend_of_a_test")
    asked: list[int] = []
    code = f"class FrontEnd:\n    def _extract_speech_feat(self, wav):\n        return load_wav(wav, {rate_in_code})\n"
    exec(code, module.__dict__)  # noqa: S102 - a class whose code has the constant, in a module of its own
    module.__dict__["load_wav"] = lambda wav, rate, min_sr=16000: asked.append(rate)
    return module, asked


@pytest.mark.parametrize(
    ("in_code", "model_rate", "expected"), [(24000, 22050, 22050), (24000, 24000, 24000), (16000, 22050, 16000)]
)
def test_the_prompt_is_analysed_at_the_models_rate(
    monkeypatch: pytest.MonkeyPatch, in_code: int, model_rate: int, expected: int
) -> None:
    module, asked = package_with(in_code)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    frontend = module.__dict__["FrontEnd"]()
    type(frontend).__module__ = module.__name__
    server.correct_prompt_rate(types.SimpleNamespace(sample_rate=model_rate, frontend=frontend))
    frontend._extract_speech_feat("a.wav")
    assert asked == [expected]


# --- slots ---


async def test_slots_go_to_whoever_waits_longest() -> None:
    slots = server.Slots(1, 10, 5.0)
    never = asyncio.get_running_loop().create_future()
    order: list[int] = []
    await slots.acquire(never)

    async def work(number: int) -> None:
        await slots.acquire(never)
        order.append(number)
        slots.release()

    tasks = [asyncio.create_task(work(number)) for number in range(5)]
    await asyncio.sleep(0)
    assert slots.waiting == 5
    tasks[1].cancel()
    await asyncio.sleep(0)
    slots.release()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert order == [0, 2, 3, 4]
    assert (slots.running, slots.waiting) == (0, 0)
    never.cancel()


async def test_a_slot_granted_to_someone_who_has_left_goes_on() -> None:
    slots = server.Slots(1, 10, 5.0)
    loop = asyncio.get_running_loop()
    never, gone = loop.create_future(), loop.create_future()
    await slots.acquire(never)
    leaver = asyncio.create_task(slots.acquire(gone))
    stayer = asyncio.create_task(slots.acquire(never))
    await asyncio.sleep(0)
    gone.set_result(None)
    slots.release()
    with pytest.raises(server.ClientGone):
        await leaver
    await stayer
    assert slots.running == 1
    never.cancel()


# --- voices ---


def voice_of(number: int) -> Any:
    return server.Voice(f"ev_{number:032x}", "", 1.0, 16000, float(number))


def test_a_failed_write_leaves_no_voice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = server.VoiceStore(tmp_path / "voices", 10, 10)
    (tmp_path / "r.wav").write_bytes(reference(seconds=1))
    wav = server.Reference(tmp_path / "r.wav", 1.0, 16000)

    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(server, "flush", full)
    with pytest.raises(OSError, match="No space"):
        store.add(wav, voice_of(1), None)
    assert list((tmp_path / "voices").iterdir()) == []
    assert store.list() == []
    monkeypatch.undo()
    store.add(wav, voice_of(1), None)
    assert [voice.voice_id for voice in server.VoiceStore(tmp_path / "voices", 10, 10).list()] == [voice_of(1).voice_id]


@pytest.mark.parametrize("name", ["../../x", "..\\x", "a/../b", "..", "a\0b"])
def test_names_that_climb_are_refused(name: str) -> None:
    with pytest.raises(server.EngineError):
        server.check_file_name(name)


@pytest.mark.parametrize("name", ["a..b.wav", "我的 声音.wav", "prompt_wav", "", "C:\\fakepath\\x.wav"])
def test_ordinary_names_are_not(name: str) -> None:
    server.check_file_name(name)


def with_a_chunk_more(wav: bytes) -> bytes:
    return wav + b"LIST\x04\x00\x00\x00abcd"


def with_a_longer_claim(wav: bytes) -> bytes:
    return wav[:40] + (len(wav) * 2).to_bytes(4, "little") + wav[44:]


@pytest.mark.parametrize("dress", [bytes, with_a_chunk_more, with_a_longer_claim])
def test_the_model_hears_the_same_wav_however_it_was_sent(tmp_path: Path, dress: Any) -> None:
    plain = reference(seconds=2)
    upload = tmp_path / "upload"
    upload.write_bytes(dress(plain))
    prepared = server.prepare_reference(upload, tmp_path / "reference.wav", server.Settings.from_environment({}))
    assert prepared.path.read_bytes() == plain
    assert (prepared.duration, prepared.sample_rate) == (2.0, 16000)
