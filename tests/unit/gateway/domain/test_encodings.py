"""Bytes become names without loss."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.encodings import decoded_charset, decoded_name, decoded_words


@given(st.binary(max_size=60))
def test_every_name_keeps_its_bytes(raw: bytes) -> None:
    name = decoded_name(raw)
    kept = name.encode("utf-8", "surrogateescape") == raw
    assert kept or name.encode("gb18030") == raw


@given(st.text(max_size=60))
def test_utf_8_comes_first(name: str) -> None:
    assert decoded_name(name.encode(errors="replace")) == name.encode(errors="replace").decode()


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("张三.wav".encode("gbk"), "张三.wav"),
        (b"caf\xe9", "caf\udce9"),
        (b"\x80", "\udc80"),
        (b"\xff\xfe", "\udcff\udcfe"),
    ],
)
def test_chinese_is_read_and_what_is_nothing_kept(raw: bytes, name: str) -> None:
    assert decoded_name(raw) == name


@pytest.mark.parametrize(
    ("raw", "charset", "text"),
    [
        ("张€".encode("gb18030"), "GB2312", "张€"),
        ("張".encode("big5"), "Big5", "張"),
        (b"\xe9", "ISO-8859-1", "é"),
        (b"\xe9", "utf-8", None),
        (b"x", "no-such", None),
        (b"x", "idna", None),
        (b"x", "zlib_codec", None),
        (b"x", "", None),
    ],
)
def test_a_named_encoding_is_used_if_it_is_one_for_text(raw: bytes, charset: str, text: str | None) -> None:
    assert decoded_charset(raw, charset) == text


@pytest.mark.parametrize(
    ("text", "decoded"),
    [
        ("plain.wav", "plain.wav"),
        ("=?UTF-8?B?5byg?=", "张"),
        ("=?utf-8?q?=E5=BC=A0?= =?utf-8?q?=E4=B8=89?=", "张三"),
        ("=?UTF-8?B?!!!?=", "=?UTF-8?B?!!!?="),
        ("a =?UTF-8?B?5byg?=", "a =?UTF-8?B?5byg?="),
    ],
)
def test_encoded_words_are_read_where_the_text_is_nothing_else(text: str, decoded: str) -> None:
    assert decoded_words(text) == decoded
