"""What a task looks like to the client, and what an engine's words mean."""

from __future__ import annotations

import pytest

from gateway.domain.errors import GatewayError
from gateway.domain.task import LIVE, Task, TaskState, checked_code, engine_code_of, task_view
from gateway.domain.task_failures import FAILURES, classify_engine_message, failure_sentence


def task(**changes: object) -> Task:
    return Task(1, "c1", "/code/data/a.wav", "/code/data/v.mp4", 1.0, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("state", sorted(LIVE))
def test_a_live_task_never_looks_finished(state: TaskState) -> None:
    data = task_view(task(state=state, progress=80), msg="x", language="zh")
    assert (data["status"], data["result"], data["progress"], data["msg"]) == (1, "", 80, "x")


def test_a_done_task_names_its_file() -> None:
    data = task_view(task(state=TaskState.DONE, result_seconds=2.5), msg="", language="zh")
    assert (data["status"], data["progress"], data["result"]) == (2, 100, "/c1-r.mp4")
    assert data["video_duration"] == 2500


@pytest.mark.parametrize("state", [TaskState.FAILED, TaskState.CANCELLED])
def test_an_ended_task_tells_why_and_names_no_file(state: TaskState) -> None:
    data = task_view(task(state=state, failure_code="not_audio"), msg="", language="en")
    assert (data["status"], data["result"], data["error"]) == (3, "", "not_audio")
    assert "audio" in str(data["msg"])


def test_attempts_never_share_a_name() -> None:
    assert [engine_code_of(task(), attempt) for attempt in (1, 2, 3)] == ["c1", "c1.2", "c1.3"]


@pytest.mark.parametrize("value", [None, "", "x" * 201, "a\nb", "a\0b"])
def test_codes_that_can_not_be_codes(value: object) -> None:
    with pytest.raises(GatewayError) as caught:
        checked_code(value)
    assert caught.value.status == 400


def test_numbers_are_codes_too() -> None:
    assert checked_code(17) == "17"


@pytest.mark.parametrize("code", sorted(FAILURES))
def test_every_failure_has_a_sentence_in_both_languages(code: str) -> None:
    zh, en = (failure_sentence(code, "why", language) for language in ("zh", "en"))
    assert zh != en
    assert zh.rstrip("why").endswith(("。", "："))
    assert "{" not in zh + en


@pytest.mark.parametrize(
    ("message", "code", "retry", "engine_unfit"),
    [
        ("存在多人脸", "several_faces", False, False),
        ("no final result", "engine_workers", True, True),
        ("任务视频驱动队列满，严重阻塞，下游队列异常", "engine_workers", True, True),
        ("", "engine_workers", True, False),  # warm-up
        ("format video error", "engine_format", True, False),
        ("[format audio error]", "engine_format", True, False),
        ("三次获取音频时长失败", "engine_format", True, False),
        ("[file create failed:/code/data/temp/x/result.avi]", "engine_error", True, False),
        ("something new", "engine_error", True, False),
    ],
)
def test_the_engine_s_words_are_understood(message: str, code: str, retry: bool, engine_unfit: bool) -> None:
    failure = classify_engine_message(message)
    assert (failure.code, failure.retry, failure.engine_unfit) == (code, retry, engine_unfit)


def test_a_task_that_came_too_early_waits_for_the_warm_up() -> None:
    assert classify_engine_message("").wait >= 20


def test_the_engine_s_words_are_bounded() -> None:
    assert len(classify_engine_message("x\n" * 5000).detail) <= 300
