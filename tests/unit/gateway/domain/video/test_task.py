"""What a task looks like to the client, and its names in files and at the engine."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.video.task import LIVE, Task, TaskState, checked_code, engine_code_of, task_key, task_view


def task(**changes: object) -> Task:
    return Task(1, "c1", "/code/data/a.wav", "/code/data/v.mp4", 1.0, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("state", sorted(LIVE))
def test_a_live_task_never_appears_finished(state: TaskState) -> None:
    data = task_view(task(state=state, progress=80), msg="x", language="zh")
    assert (data["status"], data["result"], data["progress"], data["msg"]) == (1, "", 80, "x")


def test_a_done_task_names_its_file() -> None:
    data = task_view(task(state=TaskState.DONE, result_seconds=2.5), msg="", language="zh")
    assert (data["status"], data["progress"], data["result"]) == (2, 100, "/c1-r.mp4")
    assert data["video_duration"] == 2500


@pytest.mark.parametrize("state", [TaskState.FAILED, TaskState.CANCELLED])
def test_an_ended_task_has_its_reason_and_no_file(state: TaskState) -> None:
    data = task_view(task(state=state, failure_code="not_audio"), msg="", language="en")
    assert (data["status"], data["result"], data["error"]) == (3, "", "not_audio")
    assert "audio" in str(data["msg"])


def test_attempts_never_share_a_name() -> None:
    assert [engine_code_of(task(), attempt) for attempt in (1, 2, 3)] == ["c1", "c1.2", "c1.3"]


@pytest.mark.parametrize("value", [None, "", "x" * 201, "a\nb", "a\0b"])
def test_codes_that_can_not_be_codes(value: object) -> None:
    with pytest.raises(GatewayError) as caught:
        checked_code(value)
    assert caught.value.kind is ErrorKind.INVALID


def test_numbers_are_codes_too() -> None:
    assert checked_code(17) == "17"


@given(st.text(min_size=1, max_size=200))
def test_no_code_reaches_a_shell(code: str) -> None:
    key = task_key(code)
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}|t\.[0-9a-f]{32}", key)
    assert task_key(code) == key


def test_plain_codes_keep_their_name_and_others_never_meet() -> None:
    assert task_key("5f0c3a3e-0000-4000-8000-000000000000") == "5f0c3a3e-0000-4000-8000-000000000000"
    assert len({task_key(code) for code in ("a;b", "a b", "a/b", "../a", "a", "t.1", "任务")}) == 7
