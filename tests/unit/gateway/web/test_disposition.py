"""File names in forms, as clients write them, and in the answer to a download."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.web.disposition import attachment, form_parameters


@pytest.mark.parametrize(
    ("written", "filename"),
    [
        (b'filename="avatar_0b5a.mp4"', "avatar_0b5a.mp4"),
        (b"filename=a.wav", "a.wav"),
        (b'FileName = "a b.wav" ; x=y', "a b.wav"),
        ('filename="头像 😀.mp4"'.encode(), "头像 😀.mp4"),
        (b'filename="a\\"b\\\\c.wav"', 'a"b\\c.wav'),
        (b'filename="C:\\dir\\a.wav"', "C:\\dir\\a.wav"),
        (b'filename="a;b=c.wav"', "a;b=c.wav"),
        (b'filename="a%22b.wav"', "a%22b.wav"),
        (b'filename=""', ""),
        (b'filename="open', "open"),
        ('filename="张三.wav"'.encode("gbk"), "张三.wav"),
        (b'filename="\xd5\x5c.wav"', b"\xd5\x5c".decode("gbk") + ".wav"),
        (b'filename="\xb2\xe2\x5c\x5c"; x="b"', b"\xb2\xe2".decode("gbk") + "\\"),
        (b'filename="\xb2\x5c"; x="b"', b"\xb2\x5c".decode("gbk")),
        (b'filename="caf\xe9.wav"', "caf\udce9.wav"),
        (b'filename="\xed\xa0\xbd.wav"', "\udced\udca0\udcbd.wav"),
        (b"filename*=UTF-8''%E5%BC%A0%20%F0%9F%98%80.wav", "张 😀.wav"),
        (b"filename*=utf-8'zh'%E5%BC%A0.wav", "张.wav"),
        (b"filename*=GBK''%D5%C5%C8%FD.wav", "张三.wav"),
        (b"filename=\"_.wav\"; filename*=UTF-8''%E5%BC%A0.wav", "张.wav"),
        (b"filename*=UTF-8''%E5%BC%A0.wav; filename=\"_.wav\"", "张.wav"),
        (b"filename*0*=UTF-8''%E5%BC; filename*1*=%A0; filename*2=\".wav\"", "张.wav"),
        (b'filename*0="long-"; filename*1="name.wav"', "long-name.wav"),
        (b"filename=\"kept.wav\"; filename*=nonsense''%E5", "kept.wav"),
        (b"filename*=nonsense''%E5%BC%A0.wav", "张.wav"),
        (b"filename*=%E5%BC%A0.wav", "张.wav"),
        (b'filename="=?UTF-8?B?5bygLndhdg==?="', "张.wav"),
        (b'filename="=?GBK?Q?=D5=C5.wav?="', "张.wav"),
        (b'filename="=?UTF-8?Q?a?= =?UTF-8?Q?b.wav?="', "ab.wav"),
        (b'filename="=?no such?.wav"', "=?no such?.wav"),
        (b'filename="=?unknown-1?B?5byg?="', "=?unknown-1?B?5byg?="),
    ],
)
def test_the_name_that_was_meant(written: bytes, filename: str) -> None:
    assert form_parameters(b'form-data; name="audio"; ' + written)["filename"] == filename


def test_a_part_without_a_file_name_has_none() -> None:
    assert form_parameters(b'form-data; name="note"') == {"name": "note"}
    assert form_parameters(b"form-data") == {}
    assert form_parameters(b"") == {}


@given(st.binary(max_size=200))
def test_any_bytes_are_read(header: bytes) -> None:
    form_parameters(b'form-data; name="a"; filename="' + header)
    form_parameters(header)


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_different_bytes_are_different_names(one: bytes, other: bytes) -> None:
    written = [
        form_parameters(b"form-data; filename*=" + b"".join(b"%%%02X" % byte for byte in raw)) for raw in (one, other)
    ]
    read = [found.get("filename", "") for found in written]
    if one == other:
        assert read[0] == read[1]
    elif read[0] == read[1]:  # the same characters in two encodings
        assert one.decode("gb18030") == other.decode() or one.decode() == other.decode("gb18030")


@pytest.mark.parametrize(
    ("name", "plain"), [("a b.mp4", "a b.mp4"), ("张 1.mp4", "_ 1.mp4"), ('a"\r\n\\/b', "a_____b"), ("\udce9", "_")]
)
def test_a_download_has_its_name_in_both_forms(name: str, plain: str) -> None:
    kind, simple, extended = attachment(name).split("; ")
    assert kind == "attachment"
    assert simple == f'filename="{plain}"'
    shown = unquote(extended.removeprefix("filename*=UTF-8''"))
    assert shown == name.encode(errors="replace").decode()
