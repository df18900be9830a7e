"""File names in every script and encoding: each is found by the name that was sent and the path that was answered."""

from __future__ import annotations

import base64
import unicodedata
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
import requests

from tests.protocol.gateway.video.test_uploads import DASHES, END, json_of, send_raw
from tests.support.video import Client, VideoBench, make_clip, make_speech, video_bench

NAMES = [
    "plain_ascii-1.wav",
    "😀.wav",
    "🎉.wav",
    "👩‍👩‍👧.wav",
    "张三.wav",
    "張三.wav",
    "नमस्ते.wav",
    "नमसत.wav",
    "สวัสดี.wav",
    "สวสด.wav",
    "مرحبا.wav",
    "한국어.wav",
    "が.wav",
    "Ångström é.wav",
    "Case.wav",
    "case.wav",
    "dots..wav",
    "dots.wav",
    "dots.wav.",
    " space.wav",
    "space.wav",
    "spa ce.wav",
    "100%.wav",
    "100%25.wav",
    "a+b.wav",
    "a&b=c#d?.wav",
    "a;b|c.wav",
    "sub/dir.wav",
    "sub\\dir.wav",
    "dir.wav",
    "rtl\u202egnp.wav",
    "rtlgnp.wav",
    "zero\u200bwidth.wav",
    "zerowidth.wav",
    "temp",
    "outputs",
    "looks-r.mp4",
    "…",
    "字" * 100 + "一.wav",
    "字" * 100 + "二.wav",
    "l" * 3000 + ".wav",
    "m" * 4000 + ".wav",
]


def part(disposition: bytes, content: bytes) -> bytes:
    return (
        f"--{DASHES}\r\n".encode() + b"Content-Disposition: form-data; " + disposition + b"\r\n\r\n" + content + b"\r\n"
    )


def sent(bench: VideoBench, disposition: bytes, content: bytes) -> str:
    """The path that is answered for an upload."""
    return json_of(send_raw(bench.client.url, part(b'name="audio"; ' + disposition, content) + END))["path"]


def found(bench: VideoBench, path: str) -> requests.Response:
    return requests.get(bench.client.url + "/download", params={"path": path}, timeout=30)


@pytest.fixture(scope="module")
def stored(bench: VideoBench) -> dict[str, str]:
    """All of these uploads, with their names for content, and the paths that were answered."""
    escaped = {name: name.replace("\\", "\\\\").replace('"', '\\"') for name in NAMES}
    return {name: sent(bench, f'filename="{escaped[name]}"'.encode(), name.encode()) for name in NAMES}


def test_no_two_names_meet(stored: dict[str, str]) -> None:
    assert len(set(stored.values())) == len(NAMES)
    assert stored["plain_ascii-1.wav"] == "/code/data/plain_ascii-1.wav"
    assert stored["张三.wav"] == "/code/data/张三.wav"


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:40])
def test_each_is_found_by_every_spelling_of_its_name_and_of_its_path(
    bench: VideoBench, stored: dict[str, str], name: str
) -> None:
    path = stored[name]
    forms = [unicodedata.normalize(form, name) for form in ("NFC", "NFD", "NFKC", "NFKD")]  # type: ignore[arg-type]
    if name == "…":
        forms = forms[:2]  # the others are three dots
    spellings = [*forms, quote(name), quote(name, safe="!'()*"), path, quote(path), quote(path, safe="")]
    spellings += [unicodedata.normalize("NFD", path), quote(unicodedata.normalize("NFD", path))]
    others = {*stored, *stored.values()} - {name, path}  # of which one may look like another, encoded
    for spelling in (spelling for spelling in spellings if spelling not in others):
        answer = found(bench, spelling)
        assert (answer.status_code, answer.content.decode()) == (200, name), spelling


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:40])
def test_each_is_downloaded_under_its_name(bench: VideoBench, stored: dict[str, str], name: str) -> None:
    header = found(bench, stored[name]).headers["Content-Disposition"]
    assert header.startswith('attachment; filename="')
    assert unquote(header.partition("filename*=UTF-8''")[2]) == name


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('filename="李四.wav"'.encode("gbk"), "李四.wav"),
        ('filename="誠實.wav"'.encode("gbk"), "誠實.wav"),
        (b"filename*=UTF-8''" + quote("王五.wav").encode(), "王五.wav"),
        (b"filename*=GBK''" + quote("赵六.wav".encode("gbk")).encode(), "赵六.wav"),
        (b"filename=\"_.wav\"; filename*=utf-8''" + quote("孙七.wav").encode(), "孙七.wav"),
        (b'filename="=?UTF-8?B?' + base64.b64encode("周八.wav".encode()) + b'?="', "周八.wav"),
        (b'filename="=?GBK?B?' + base64.b64encode("吴九.wav".encode("gbk")) + b'?="', "吴九.wav"),
    ],
)
def test_names_in_every_encoding_are_read(bench: VideoBench, disposition: bytes, name: str) -> None:
    assert sent(bench, disposition, name.encode()) == f"/code/data/{name}"
    for spelling in (name, quote(name), quote(name.encode("gbk"))):
        assert found(bench, spelling).content.decode() == name
    in_gbk = requests.get(bench.client.url + "/download?path=" + quote(name.encode("gbk")), timeout=30)
    assert in_gbk.content.decode() == name


@pytest.mark.parametrize("raw", [b"caf\xe9.wav", b"caf\xe8.wav", b"\xed\xa0\xbd.wav", b"\xed\xb8\x80.wav", b"\xff\xfe"])
def test_names_in_no_encoding_are_kept_apart_too(bench: VideoBench, raw: bytes) -> None:
    path = sent(bench, b'filename="' + raw + b'"', raw)
    for spelling in (path, quote(raw), quote(path)):
        assert found(bench, spelling).content == raw


def test_what_was_sent_in_pieces_has_its_name(bench: VideoBench) -> None:
    for name in ("\U0001f600 pieces.wav".encode(), "郑十.wav".encode("gbk"), b"\xe9 pieces.wav"):
        metadata = ",".join(
            f"{key} {base64.b64encode(value).decode()}" for key, value in (("field", b"audio"), ("filename", name))
        )
        tus = {"Tus-Resumable": "1.0.0", "Upload-Length": str(len(name)), "Upload-Metadata": metadata}
        made = requests.post(bench.client.url + "/upload/resumable", headers=tus, timeout=10)
        url = bench.client.url + made.headers["Location"]
        piece = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
        assert requests.patch(url, data=name, headers=piece, timeout=10).status_code == 204
        path = requests.get(url, timeout=10).json()["answer"]["path"]
        assert found(bench, path).content == name
        assert found(bench, quote(name)).content == name


def test_a_submit_takes_the_file_that_it_names(bench: VideoBench, clip: Path, tmp_path: Path) -> None:
    lengths = {"😀.wav": 1.0, "🎉.wav": 3.0}
    for name, seconds in lengths.items():
        bench.client.upload("audio", make_speech(tmp_path / "a.wav", seconds=seconds), name)
    video = bench.client.upload("video", clip)
    for audio, seconds in (("😀.wav", 1.0), (quote("/code/data/🎉.wav"), 3.0)):
        done = bench.client.outcome(bench.client.submit(audio, video))
        assert abs(done["video_duration"] / 1000 - seconds) < 0.5


def test_what_the_version_before_stored_is_found(bench: VideoBench) -> None:
    for name in ("_.wav", "a_(reboot)b_c.wav", "5f0c-r_.mp4", "头像 1.mp4", "x" * 196 + ".mp4"):
        (bench.media / name).write_bytes(name.encode())
        for spelling in (f"/code/data/{name}", name, quote(f"/code/data/{name}")):
            assert found(bench, spelling).content.decode() == name


def test_a_name_that_only_looks_alike_is_found_where_it_is_the_only_one(bench: VideoBench) -> None:
    sent(bench, 'filename="ｗｉｄｅ①.wav"'.encode(), b"wide")
    assert found(bench, "wide1.wav").content.decode() == "wide"
    sent(bench, b'filename="wide1.wav"', b"narrow")
    assert found(bench, "wide1.wav").content.decode() == "narrow"
    assert found(bench, "ｗｉｄｅ①.wav").content.decode() == "wide"
    sent(bench, 'filename="Ｋé②.wav"'.encode(), b"encoded")
    for form in ("NFKC", "NFKD"):
        name = unicodedata.normalize(form, "Ｋé②.wav")  # type: ignore[arg-type]
        for spelling in (name, quote(name), quote(f"/code/data/{name}", safe="")):
            assert found(bench, spelling).content.decode() == "encoded"


def test_each_key_finds_its_own_file_by_the_name_that_both_have(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("anna\nben\n", encoding="utf-8")
    with video_bench(tmp_path, start_engine=False, api_keys_file=keys) as bench:
        anna, ben = (Client(bench.client.url, {"X-API-Key": key}) for key in ("anna", "ben"))
        one, other = make_clip(tmp_path / "1.mp4", seconds=0.2), make_clip(tmp_path / "2.mp4", seconds=0.4)
        assert anna.upload("video", one, "face 😀.mp4") == "/code/data/face 😀.mp4"
        path = ben.upload("video", other, "face 😀.mp4")
        assert path != "/code/data/face 😀.mp4"
        for spelling in ("face 😀.mp4", path):
            answer = ben.download(spelling, tmp_path / "x")
            assert answer.content == other.read_bytes()
            assert unquote(answer.headers["Content-Disposition"].partition("''")[2]) == "face 😀.mp4"
        assert anna.download("face 😀.mp4", tmp_path / "x").content == one.read_bytes()
        assert ben.upload("video", one, "face 😀.mp4") == path, "the same name again is the same file again"
        assert ben.download("face 😀.mp4", tmp_path / "x").content == one.read_bytes()
