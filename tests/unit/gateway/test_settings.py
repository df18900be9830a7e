"""Settings: from the environment only, typed, and all of them listed by ``--help``."""

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.settings import VideoSettings, VoiceSettings
from tests.support.servers import ROOT


def gateway(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gateway", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_help_lists_every_variable_with_type_default_and_meaning() -> None:
    said = gateway("--help").stdout
    for settings in (VoiceSettings, VideoSettings):
        for name, field in settings.model_fields.items():
            assert f"TWINPORT_{name.upper()}  (" in said
            assert field.description
            assert field.description in said
    assert "(preview|gpu, default: gpu)" in said


def test_a_bad_value_is_named_and_not_repeated() -> None:
    done = gateway("voice", TWINPORT_PORT="hunter2", TWINPORT_ENGINE_MODE="tape")
    assert done.returncode == 2
    assert "TWINPORT_PORT" in done.stderr
    assert "TWINPORT_ENGINE_MODE" in done.stderr
    assert "hunter2" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_keys_file_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    for file in (tmp_path / "missing", tmp_path):
        done = gateway("voice", TWINPORT_API_KEYS_FILE=str(file), TWINPORT_DATA_DIR=str(tmp_path / "data"))
        assert done.returncode == 2
        assert f"TWINPORT_API_KEYS_FILE: Value error, {file} can't be read" in done.stderr
        assert "Traceback" not in done.stderr


def test_lists_are_comma_separated_and_secrets_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWINPORT_CORS_ORIGINS", "https://a.example, https://b.example,")
    monkeypatch.setenv("TWINPORT_API_KEY", "hunter2")
    settings = VoiceSettings()
    assert settings.cors_origins == ("https://a.example", "https://b.example")
    assert "hunter2" not in repr(settings)
