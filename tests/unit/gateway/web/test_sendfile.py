"""The Range header, as RFC 9110 has it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.web.errors import HttpError, status_of
from gateway.web.sendfile import Span, parse_range


@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("bytes=0-", Span(0, 100)),
        ("bytes=10-19", Span(10, 20)),
        ("bytes=99-", Span(99, 100)),
        ("bytes=90-500", Span(90, 100)),
        ("bytes=-5", Span(95, 100)),
        ("bytes=-500", Span(0, 100)),
        ("Bytes=1-1", Span(1, 2)),
    ],
)
def test_one_range(header: str, span: Span) -> None:
    assert parse_range(header, 100) == span


@pytest.mark.parametrize(
    "header", ["", "bytes", "bytes=", "bytes=-", "lines=1-2", "bytes=5-2", "bytes=1-2,4-5", "bytes=a-b"]
)
def test_what_is_no_range_is_ignored(header: str) -> None:
    assert parse_range(header, 100) is None


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_past_the_end(header: str) -> None:
    with pytest.raises(HttpError) as caught:
        parse_range(header, 100)
    assert status_of(caught.value) == 416


@given(st.text(alphabet="bytes=-0123456789, ", max_size=40), st.integers(0, 10**12))
def test_no_header_reads_outside_the_file(header: str, size: int) -> None:
    try:
        span = parse_range(header, size)
    except HttpError:
        return
    assert span is None or 0 <= span.start < span.end <= size
