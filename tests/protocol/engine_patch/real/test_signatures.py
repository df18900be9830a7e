"""The preview's stand-in has the interface of the real package, as far as it goes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.real_engine import STAND_INS, printed_by
from tests.support.servers import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

PREVIEW = ROOT / "preview/cosyvoice_standin"


@pytest.fixture(scope="module")
def real() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(printed_by("signatures.py", paths=(STAND_INS,)).splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def stand_in() -> dict[str, Any]:
    """Of the generation that the real package belongs to: a reference is a tensor."""
    printed = printed_by("signatures.py", paths=(PREVIEW,), PREVIEW_COSYVOICE_PROMPT="tensor")
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return found


@pytest.mark.parametrize("kind", ["CosyVoice", "CosyVoice2"])
def test_public_methods_take_the_same(real: dict[str, Any], stand_in: dict[str, Any], kind: str) -> None:
    """Names, order and defaults; what the real method takes beyond them comes after, and has a default."""
    assert set(stand_in[kind]) <= set(real[kind])
    for method, parameters in stand_in[kind].items():
        if (kind, method) == ("CosyVoice2", "inference_instruct"):
            continue  # the real one only raises, whatever it is given
        there = real[kind][method]
        assert there[: len(parameters)] == parameters, method
        if method != "__init__":
            assert len(there) == len(parameters), method


def test_what_the_server_calls_within_takes_the_same(real: dict[str, Any], stand_in: dict[str, Any]) -> None:
    assert real["frontend"]["text_normalize"] == stand_in["frontend"]["text_normalize"]
    assert real["frontend"]["_extract_text_token"] == stand_in["frontend"]["_extract_text_token"]
    for method in ("frontend_sft", "frontend_zero_shot"):
        assert len(real["frontend"][method]) == len(stand_in["frontend"][method]), method
    # The server finds a job's session by its last parameter.
    assert real["model"]["llm_job"][-1] == stand_in["model"]["llm_job"][-1] == ["uuid", None]


def test_sessions_are_kept_in_the_same_dictionaries(real: dict[str, Any], stand_in: dict[str, Any]) -> None:
    assert stand_in["model_dictionaries"] == real["model_dictionaries"]
    assert "tts_speech_token_dict" in real["model_dictionaries"]
