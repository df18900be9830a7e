"""Following an engine's start, answer by answer, on a clock of the test's own."""

from __future__ import annotations

from typing import Any

import pytest

from module_utils.engine_start import EngineStart, Limits, size

LIMITS = Limits(timeout=1000, most_failures=3, percent_step=5, quiet_seconds=120)


@pytest.fixture
def start() -> EngineStart:
    return EngineStart("model", "engine", LIMITS, now=0)


def downloading(percent: float | None) -> dict[str, Any]:
    known = {"percent": percent, "bytes": 2_500_000, "total_bytes": 4_700_000_000, "bytes_per_second": 1000}
    return {"state": "downloading", "download": known}


def test_a_line_comes_with_every_new_state_and_every_step(start: EngineStart) -> None:
    answers = [(downloading(0), 1), (downloading(4), 2), (downloading(5), 3), ({"state": "loading"}, 4)]
    lines = [start.observe(health, now).line for health, now in answers]
    assert [bool(line) for line in lines] == [True, False, True, True]
    assert lines[2] == "model downloading 5 %, 2.5 MB of 4.7 GB, 1.0 kB/s"


def test_silence_is_broken_after_a_while(start: EngineStart) -> None:
    start.observe({"state": "loading"}, 0)
    assert start.observe({"state": "loading"}, 119).line == ""
    assert start.observe({"state": "loading"}, 120).line == "model loading"
    assert start.observe({"state": "loading"}, 121).line == ""


def test_ready_ends_it(start: EngineStart) -> None:
    seen = start.observe({"state": "ready", "download": None}, 2000)
    assert (seen.ready, seen.failure, seen.line) == (True, "", "model ready")


def test_an_engine_that_failed_ends_it_with_its_last_line(start: EngineStart) -> None:
    seen = start.observe({"state": "failed", "error": {"last_line": "no space", "code": "disk_full"}}, 1)
    assert "no space (disk_full)" in seen.failure


def test_a_container_that_is_down_too_often_ends_it(start: EngineStart) -> None:
    assert [bool(start.observe(None, now).failure) for now in (1, 2)] == [False, False]
    assert not start.observe({"state": "loading"}, 3).failure
    assert "was found stopped 3 times" in start.observe(None, 4).failure


def test_the_time_is_bounded(start: EngineStart) -> None:
    assert not start.observe(downloading(10), 1000).failure
    assert "not ready within 1000 s: model downloading ? %" in start.observe(downloading(None), 1001).failure


@pytest.mark.parametrize(
    ("number", "text"),
    [(None, "?"), (0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (2.5e6, "2.5 MB"), (4.7e12, "4700.0 GB")],
)
def test_sizes_are_for_people(number: float | None, text: str) -> None:
    assert size(number) == text
