"""From the first second to ready or failed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.support.engine import Engine, reference, running_engine
from tests.support.servers import ROOT


def assert_not_yet(engine: Engine, state: str) -> None:
    for answer in (
        engine.speak("cross_lingual", wav=reference(), tts_text="hello"),
        engine.register(reference()),
        requests.get(f"{engine.url}/ready", timeout=10),
    ):
        assert answer.status_code == 503
        assert answer.json()["code"] == f"engine_{state}"
        assert int(answer.headers["Retry-After"]) > 0
    engine.wait_until_clean()


def test_a_download_is_reported_in_bytes_and_percent(tmp_path: Path) -> None:
    switches = {"preview_download_bytes": 4_000_000, "preview_download_seconds": 2.5}
    with running_engine(tmp_path, wait=False, **switches) as engine:
        health = engine.wait_for(lambda health: (health["download"] or {}).get("bytes_per_second") is not None)
        assert health["state"] == "downloading"
        download = health["download"]
        assert download["total_bytes"] == 4_000_000
        assert 0 < download["bytes"] < 4_000_000
        assert 0 < download["percent"] < 100
        assert_not_yet(engine, "downloading")
        engine.wait_until_ready()
        assert requests.get(f"{engine.url}/ready", timeout=10).json() == {"state": "ready"}
        assert engine.health()["load_seconds"] is not None


def test_missing_text_rules_are_said_and_recognised(tmp_path: Path) -> None:
    """The model speaks without them, so the state does not show it."""
    with running_engine(tmp_path, preview_rules="none") as engine:
        assert engine.health()["text_rules"] == "none"
        assert engine.health()["state"] == "ready"
        command = [sys.executable, "-m", "doctor", "match", "--engine", "cosyvoice"]
        found = subprocess.run(command, input=engine.output(), capture_output=True, text=True, check=True, cwd=ROOT)
    assert [match["id"] for match in json.loads(found.stdout)["findings"]] == ["text-rules-missing"]


def test_vllm_is_left_out_with_a_sentence(tmp_path: Path) -> None:
    """It could not load, and the container would start over and over."""
    with running_engine(tmp_path, preview_kind="CosyVoice2", load_vllm="true") as engine:
        log = engine.output()
        assert "COSYVOICE_LOAD_VLLM is not supported and left out" in log
        assert "'load_vllm': True" not in log
        assert engine.speak("cross_lingual", wav=reference(), tts_text="hello").status_code == 200


@pytest.mark.slow
def test_an_interrupted_download_is_resumed(tmp_path: Path) -> None:
    switches = {"preview_download_bytes": 4_000_000, "preview_download_seconds": 2.5}
    with running_engine(tmp_path, wait=False, **switches) as engine:
        before = engine.wait_for(lambda health: (health["download"] or {}).get("bytes", 0) > 1_000_000)
        engine.kill()
    with running_engine(tmp_path, wait=False, **switches) as engine:
        after = engine.wait_for(lambda health: (health["download"] or {}).get("bytes", 0) > 0)
        assert after["download"]["bytes"] >= before["download"]["bytes"]
        engine.wait_until_ready()
    # The third start finds all there and asks nobody.
    with running_engine(tmp_path, **switches) as engine:
        assert engine.health()["download"] is None


@pytest.mark.slow
def test_a_download_that_breaks_off_is_tried_again(tmp_path: Path) -> None:
    with running_engine(tmp_path, preview_download_failures=1) as engine:
        assert engine.health()["download"]["attempt"] == 2
        assert "Read timed out" in engine.output()


def test_a_download_that_never_comes_is_a_state_and_an_exit_code(tmp_path: Path) -> None:
    switches = {"preview_download_failures": 9, "download_attempts": 1, "failed_exit_seconds": 1}
    with running_engine(tmp_path, wait=False, **switches) as engine:
        health = engine.wait_for(lambda health: health["state"] == "failed")
        assert health["error"]["code"] == "download_failed"
        assert "Read timed out" in health["error"]["last_line"]
        assert health["error"]["exit_code"] == 11
        assert health["error"]["exits_in_seconds"] <= 1
        assert engine.process is not None
        assert engine.process.wait(20) == 11


def test_loading_is_a_state(tmp_path: Path) -> None:
    with running_engine(tmp_path, wait=False, preview_load_seconds=1) as engine:
        engine.wait_for(lambda health: health["state"] == "loading")
        assert_not_yet(engine, "loading")
        assert engine.wait_until_ready().health()["load_seconds"] >= 1


def test_a_broken_model_is_a_state_and_an_exit_code(tmp_path: Path) -> None:
    with running_engine(tmp_path, wait=False, preview_fail="load", failed_exit_seconds=1) as engine:
        health = engine.wait_for(lambda health: health["state"] == "failed")
        assert health["error"]["code"] == "model_incomplete"
        assert "PytorchStreamReader failed" in health["error"]["last_line"]
        assert_not_yet(engine, "failed")
        assert engine.process is not None
        assert engine.process.wait(20) == 12
        assert "PytorchStreamReader failed reading zip archive" in engine.output()


def test_missing_matcha_is_reported_before_the_download(tmp_path: Path) -> None:
    switches = {"preview_no_matcha": 1, "preview_download_seconds": 60, "failed_exit_seconds": 0}
    with running_engine(tmp_path, wait=False, **switches) as engine:
        health = engine.wait_for(lambda health: health["state"] == "failed")
        assert health["error"]["code"] == "package_incomplete"
        assert "No module named 'matcha'" in health["error"]["last_line"]
        assert health["error"]["exits_in_seconds"] is None
        assert health["download"] is None
        assert engine.process is not None
        assert engine.process.poll() is None


def test_options_go_to_the_models_that_know_them(tmp_path: Path) -> None:
    with running_engine(tmp_path, preview_kind="CosyVoice3", fp16="true", load_jit="true", load_vllm="no") as engine:
        log = engine.output()
        assert "load_jit is set, but CosyVoice3 does not know it" in log
        assert "'load_vllm': False, 'fp16': True" in log


def test_a_setting_that_makes_no_sense_is_named(tmp_path: Path) -> None:
    with running_engine(tmp_path) as engine:
        engine.kill()
        broken = Engine(
            "engine",
            engine.command,
            {**engine.environment, "COSYVOICE_SLOTS": "many"},
            engine.port,
            tmp_path / "second.log",
            "/health",
        )
        try:
            broken.start()
        except AssertionError as error:
            assert "COSYVOICE_SLOTS='many'" in str(error)
        else:
            broken.kill()
            raise AssertionError("it started")
