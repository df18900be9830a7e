"""Queries, headers and JSON bodies as models, and the sentence for what does not fit."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.types import Message

from gateway.domain.errors import GatewayError
from gateway.web.params import MAX_DEPTH, is_none, parse_headers, parse_json, parse_query


class Fields(BaseModel):
    text: str
    more: Any = None


class Named(BaseModel):
    device: str = Field("", alias="X-Device-ID", max_length=8)


def request(body: bytes = b"", *, query: bytes = b"", headers: list[tuple[bytes, bytes]] | None = None) -> Request[Any]:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request({"type": "http", "query_string": query, "headers": headers or []}, receive)


def test_the_last_of_a_repeated_parameter_counts() -> None:
    assert parse_query(request(query=b"text=a&text=b"), Fields).text == "b"


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        (b"%E5%BC%A0+1", "张 1"),
        ("张".encode(), "张"),
        (b"%D5%C5", "张"),
        ("张".encode("gbk"), "张"),
        (b"caf%E9", "caf\ufffd"),
        (b"%ED%A0%BD", "\ufffd\ufffd\ufffd"),
        (b"", ""),
    ],
)
def test_a_query_string_is_read_as_its_sender_meant(sent: bytes, meant: str) -> None:
    assert parse_query(request(query=b"text=" + sent), Fields).text == meant


def test_a_missing_parameter_is_named() -> None:
    with pytest.raises(GatewayError) as refusal:
        parse_query(request(query=b"other=a"), Fields)
    assert (refusal.value.code, refusal.value.param) == ("missing_field", "text")


@pytest.mark.parametrize(
    ("value", "meant"), [(b"plain", "plain"), ("设备".encode(), "设备"), (b"\xe9", "é"), (b"", "")]
)
def test_headers_are_read_as_their_senders_meant(value: bytes, meant: str) -> None:
    assert parse_headers(request(headers=[(b"x-device-id", value)]), Named).device == meant


def test_a_header_that_is_not_sent_has_its_default() -> None:
    assert parse_headers(request(), Named).device == ""


def test_a_header_that_does_not_fit_is_named() -> None:
    with pytest.raises(GatewayError) as refusal:
        parse_headers(request(headers=[(b"x-device-id", b"x" * 9)]), Named)
    assert refusal.value.param == "X-Device-ID"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
async def test_json_is_read_in_every_encoding_of_its_own(encoding: str) -> None:
    assert (await parse_json(request('{"text": "你好"}'.encode(encoding)), Fields)).text == "你好"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b'{"text": NaN}',
        b'{"text": "a", "more": 1e999}',
        b'{"text": "a", "more": ' + b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1) + b"}",
    ],
)
async def test_what_is_not_json_is_refused(body: bytes) -> None:
    with pytest.raises(GatewayError) as refusal:
        await parse_json(request(body), Fields)
    assert refusal.value.code == "invalid_json"


@pytest.mark.parametrize("body", [b"[]", b"1", b"null", b'{"text": 1}'])
async def test_json_of_another_shape_is_not_valid(body: bytes) -> None:
    with pytest.raises(GatewayError) as refusal:
        await parse_json(request(body), Fields)
    assert refusal.value.code == "invalid_request"


def test_only_none_is_left_out() -> None:
    assert [is_none(value) for value in (None, "", 0, False)] == [True, False, False, False]
