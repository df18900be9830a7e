"""Errors, and the language that they are told in."""

import pytest
from starlette.datastructures import Headers

from gateway.domain import engine, errors
from gateway.domain.engine import Download, EngineState, EngineStatus, Reason
from gateway.web.language import preferred_language


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "zh"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-US,en;q=0.9", "en"),
        ("en;q=0.5, zh;q=0.8", "zh"),
        ("de, en;q=0.3", "en"),
        ("fr", "zh"),
        ("*", "zh"),
        ("en;q=abc", "zh"),
        ("EN-gb", "en"),
    ],
)
def test_language_is_the_better_liked_one(header: str, language: str) -> None:
    assert preferred_language(Headers({"accept-language": header})) == language


def test_a_503_always_tells_when_to_come_back() -> None:
    with pytest.raises(ValueError, match="when to come back"):
        errors.GatewayError("busy", 503, zh="忙", en="busy")


@pytest.mark.parametrize("status", [status for status in EngineStatus if status is not EngineStatus.READY])
def test_every_state_that_is_not_ready_is_a_503_in_words(status: EngineStatus) -> None:
    error = engine.not_ready(EngineState(status))
    assert error.status == 503
    assert error.retry_after
    assert error.code == f"engine_{status.value}"
    assert error.zh != error.en


def test_download_progress_is_told_in_words() -> None:
    download = Download(bytes=3 * 2**29, total_bytes=5 * 2**30, percent=30.0, bytes_per_second=20 * 2**20)
    state = EngineState(EngineStatus.DOWNLOADING, download=download)
    for language in ("zh", "en"):
        assert "30%" in state.sentence(language)
        assert "1.5/5.0 GB" in state.sentence(language)
        assert "20.0 MB/s" in state.sentence(language)


def test_failure_tells_the_reason() -> None:
    state = EngineState(EngineStatus.FAILED, reason=Reason("没有 GPU。", "no GPU."))
    assert "没有 GPU。请" in state.sentence("zh")
    assert "no GPU. Ask" in state.sentence("en")
