"""What the installed package is found to do."""

from __future__ import annotations

import sys
import types

import pytest

from cosyvoice_server.generations import correct_prompt_rate, text_rules


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
    correct_prompt_rate(types.SimpleNamespace(sample_rate=model_rate, frontend=frontend))
    frontend._extract_speech_feat("a.wav")
    assert asked == [expected]


@pytest.mark.parametrize(
    ("frontend", "expected"),
    [
        ({"text_frontend": "wetext"}, "wetext"),
        ({"text_frontend": "ttsfrd"}, "ttsfrd"),
        ({"text_frontend": ""}, "none"),
        ({"use_ttsfrd": True}, "ttsfrd"),
        ({"use_ttsfrd": False}, "wetext"),
        ({}, None),
        (None, None),
    ],
)
def test_what_reads_numbers_is_known(frontend: dict[str, object] | None, expected: str | None) -> None:
    model = types.SimpleNamespace(frontend=None if frontend is None else types.SimpleNamespace(**frontend))
    assert text_rules(model) == expected
