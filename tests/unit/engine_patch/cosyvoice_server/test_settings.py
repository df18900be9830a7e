"""Settings from the environment."""

from __future__ import annotations

import dataclasses

import pytest

from cosyvoice_server.settings import Settings
from tests.support.engine import PATCH


def test_settings_come_from_the_environment() -> None:
    environ = {
        "COSYVOICE_SLOTS": "3",
        "COSYVOICE_FP16": "yes",
        "COSYVOICE_QUEUE_TIMEOUT_SECONDS": "1.5",
        "COSYVOICE_MODEL": "/models/x",
        "MODELSCOPE_CACHE": "/cache",
    }
    settings = Settings.from_environment(environ, port=1, model=None)
    assert (settings.slots, settings.fp16, settings.queue_timeout_seconds) == (3, True, 1.5)
    assert (settings.model, settings.port, settings.load_trt) == ("/models/x", 1, None)
    assert settings.voices_dir == "/cache/twinport_voices"


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Settings)])
def test_every_setting_is_documented(name: str) -> None:
    documentation = (PATCH.parent / "docs" / "engine-api.md").read_text(encoding="utf-8")
    assert f"`COSYVOICE_{name.upper()}`" in documentation


@pytest.mark.parametrize("value", ["many", "1.5", ""])
def test_bad_settings_are_named(value: str) -> None:
    if value == "":
        assert Settings.from_environment({"COSYVOICE_SLOTS": value}).slots == 1
        return
    with pytest.raises(ValueError, match="COSYVOICE_SLOTS"):
        Settings.from_environment({"COSYVOICE_SLOTS": value})
