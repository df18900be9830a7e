"""What an engine's words mean, and what users read of them."""

from __future__ import annotations

import pytest

from gateway.domain.video.task_failures import FAILURES, classify_engine_message, failure_sentence


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
def test_the_engine_s_message_is_classified(message: str, code: str, retry: bool, engine_unfit: bool) -> None:
    failure = classify_engine_message(message)
    assert (failure.code, failure.retry, failure.engine_unfit) == (code, retry, engine_unfit)


def test_a_task_that_came_too_early_waits_for_the_warm_up() -> None:
    assert classify_engine_message("").wait >= 20


def test_the_engine_s_message_is_limited() -> None:
    assert len(classify_engine_message("x\n" * 5000).detail) <= 300
