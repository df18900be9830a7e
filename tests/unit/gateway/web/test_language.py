"""Which of the two languages a client reads."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

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
        ("en;q=0.5,zh;q=0.5", "zh"),
    ],
)
def test_language_is_the_better_liked_one(header: str, language: str) -> None:
    assert preferred_language(Headers({"accept-language": header})) == language
