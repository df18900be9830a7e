"""The speech engine's states, in words."""

import pytest

from gateway.domain.errors import ErrorKind, Reason
from gateway.domain.voice import engine
from gateway.domain.voice.engine import Download, EngineStatus, SpeechEngineState


@pytest.mark.parametrize("status", [status for status in EngineStatus if status is not EngineStatus.READY])
def test_every_state_that_is_not_ready_is_temporary_and_in_words(status: EngineStatus) -> None:
    error = engine.not_ready(SpeechEngineState(status))
    assert error.kind is ErrorKind.TEMPORARY
    assert error.retry_after
    assert error.code == f"engine_{status.value}"
    assert error.zh != error.en


def test_download_progress_is_shown_in_words() -> None:
    download = Download(bytes=3 * 2**29, total_bytes=5 * 2**30, percent=30.0, bytes_per_second=20 * 2**20)
    state = SpeechEngineState(EngineStatus.DOWNLOADING, download=download)
    for language in ("zh", "en"):
        assert "30%" in state.sentence(language)
        assert "1.5/5.0 GB" in state.sentence(language)
        assert "20.0 MB/s" in state.sentence(language)


def test_a_failure_names_its_reason() -> None:
    state = SpeechEngineState(EngineStatus.FAILED, reason=Reason("没有 GPU。", "no GPU."))
    assert "没有 GPU。请" in state.sentence("zh")
    assert "no GPU. Ask" in state.sentence("en")
