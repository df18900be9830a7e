"""Uploads as all clients write them, and as none should."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path

import pytest
import requests

from tests.support.video import Client, VideoBench, memory_mib, video_bench

DASHES = "-" * 26 + "5d2c0f6e"


def send_raw(
    url: str, body: bytes, *, boundary: str = DASHES, declared: int | None = None, path: str = "/upload"
) -> bytes:
    """A POST written by hand, as the client does it; returns all that comes back."""
    host, port = url.removeprefix("http://").split(":")
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: multipart/form-data; boundary={boundary}\r\n"
        f"Content-Length: {len(body) if declared is None else declared}\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(head.encode() + body)
        answer = b""
        while block := connection.recv(65536):
            answer += block
    return answer


def part(name: str, content: bytes, filename: str | None = None) -> bytes:
    disposition = f'form-data; name="{name}"' + (f'; filename="{filename}"' if filename is not None else "")
    kind = "Content-Type: application/octet-stream\r\n" if filename is not None else ""
    return f"--{DASHES}\r\nContent-Disposition: {disposition}\r\n{kind}\r\n".encode() + content + b"\r\n"


END = f"--{DASHES}--\r\n".encode()


def json_of(answer: bytes) -> dict[str, str]:
    body: dict[str, str] = json.loads(answer.partition(b"\r\n\r\n")[2])
    return body


def unfinished(media: Path) -> list[Path]:
    return list(media.rglob(".*.part"))


@pytest.mark.parametrize("order", ["fields first", "file first"])
def test_the_client_s_handwritten_form(bench: VideoBench, order: str) -> None:
    file, text = part("video", b"\x00\xff\r\n--" + b"x" * 5000, "头像 新 1.mp4"), part("note", b"hello")
    body = (text + file if order == "fields first" else file + text) + END
    answer = json_of(send_raw(bench.client.url, body))
    assert answer["path"] == answer["video_path"] == "/code/data/头像 新 1.mp4"
    assert (bench.media / "头像 新 1.mp4").read_bytes() == b"\x00\xff\r\n--" + b"x" * 5000


def test_audio_and_video_at_once(bench: VideoBench) -> None:
    body = part("audio", b"a", "one.wav") + part("video", b"v", "one.mp4") + END
    answer = json_of(send_raw(bench.client.url, body))
    assert (answer["audio_path"], answer["video_path"]) == ("/code/data/one.wav", "/code/data/one.mp4")


@pytest.mark.parametrize(
    "filename",
    [
        "../../../etc/cron.d/x",
        "..\\..\\x",
        "/etc/passwd",
        "temp",
        "inputs",
        "",
        ".",
        "..",
        "a\0b",
        "x" * 4000,
        "-rf *",
        "$(id)",
    ],
)
def test_hostile_names_stay_in_the_folder(bench: VideoBench, filename: str) -> None:
    answer = json_of(send_raw(bench.client.url, part("audio", b"payload", filename) + END))
    name = answer["path"].removeprefix("/code/data/")
    assert "/" not in name
    stored = bench.media / name
    assert stored.read_bytes() == b"payload"
    assert not stored.is_symlink()
    for folder in ("temp", "result", "log", "inputs", "outputs"):
        assert (bench.media / folder).is_dir()


def test_a_name_that_a_folder_has_is_not_taken(bench: VideoBench) -> None:
    (bench.media / "holiday").mkdir()
    path = json_of(send_raw(bench.client.url, part("video", b"payload", "holiday") + END))["video_path"]
    assert (bench.media / path.removeprefix("/code/data/")).read_bytes() == b"payload"
    assert (bench.media / "holiday").is_dir()


def test_an_upload_is_never_mistaken_for_a_finished_video(bench: VideoBench) -> None:
    send_raw(bench.client.url, part("video", b"fake", "zz-r .mp4") + END)
    assert requests.get(bench.client.url + "/zz-r.mp4", timeout=10).status_code == 404


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_multipart"),
        (END, "missing_field"),
        (b"no form at all", "invalid_multipart"),
        (part("video", b"x" * 100, "a.mp4"), "invalid_multipart"),  # no end
        (part("other", b"x"), "invalid_multipart"),
        (part("other", b"x") + END, "missing_field"),
        (part("video", b"", "a.mp4") * 200 + END, "invalid_multipart"),
        (part("video", b"x", "a.mp4") * 9 + END, "invalid_multipart"),
        (f"--{DASHES}\r\nContent-Disposition: {'x' * 20000}\r\n\r\nx\r\n".encode() + END, "invalid_multipart"),
    ],
)
def test_broken_forms_are_refused_with_a_sentence(bench: VideoBench, body: bytes, code: str) -> None:
    before = {path.name for path in bench.media.iterdir()}
    answer = send_raw(bench.client.url, body)
    assert b" 400 " in answer.split(b"\r\n")[0]
    assert json_of(answer)["code"] == code
    assert {path.name for path in bench.media.iterdir()} == before


def test_of_several_files_of_one_field_the_last_counts(bench: VideoBench) -> None:
    files = [part("file", bytes([number]) * 100_000, f"several_{number}.mp4") for number in range(8)]
    answer = json_of(send_raw(bench.client.url, b"".join(files) + END))
    assert answer["path"] == "/code/data/several_7.mp4"
    assert (bench.media / "several_7.mp4").read_bytes() == b"\7" * 100_000
    assert unfinished(bench.media) == []


@pytest.mark.parametrize("boundary", ["x" * 257, "x" * 4000, '"' + "x" * 300 + '"', "\xe9" * 300])
def test_a_boundary_that_is_too_long_is_refused_with_a_sentence(bench: VideoBench, boundary: str) -> None:
    answer = send_raw(bench.client.url, f"--{boundary}--\r\n".encode(), boundary=boundary)
    assert b" 400 " in answer.split(b"\r\n")[0]
    assert json_of(answer)["code"] == "invalid_multipart"


def test_a_huge_text_field_is_refused(bench: VideoBench) -> None:
    answer = send_raw(bench.client.url, part("note", b"x" * 200_000) + part("video", b"v", "a.mp4") + END)
    assert json_of(answer)["code"] == "body_too_large"


def test_a_broken_off_upload_leaves_nothing(bench: VideoBench) -> None:
    host, port = bench.client.url.removeprefix("http://").split(":")
    body = part("video", b"x" * 3_000_000, "avatar_broken.mp4")
    head = (
        f"POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary={DASHES}\r\n"
        f"Content-Length: {len(body) * 10}\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(head.encode() + body)
        deadline = time.monotonic() + 20
        while not unfinished(bench.media) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert unfinished(bench.media), "the upload goes straight to its own file system"
    deadline = time.monotonic() + 20
    while unfinished(bench.media) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert unfinished(bench.media) == []
    assert not (bench.media / "avatar_broken.mp4").exists()


def test_what_a_crash_left_is_swept(tmp_path: Path) -> None:
    with video_bench(tmp_path, start_engine=False) as bench:
        host, port = bench.client.url.removeprefix("http://").split(":")
        body = part("video", b"x" * 3_000_000, "avatar_crash.mp4")
        head = f"POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary={DASHES}\r\n"
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            connection.sendall(f"{head}Content-Length: {len(body) * 10}\r\n\r\n".encode() + body)
            deadline = time.monotonic() + 20
            while not unfinished(bench.media) and time.monotonic() < deadline:
                time.sleep(0.02)
            bench.gateway.kill()
        assert unfinished(bench.media)
        bench.gateway.restart()
        assert unfinished(bench.media) == []


def test_too_much_is_refused_before_it_is_stored(tmp_path: Path) -> None:
    with video_bench(tmp_path, start_engine=False, max_upload_bytes=2_000_000) as bench:
        answer = send_raw(bench.client.url, part("video", b"x" * 2_500_000, "a.mp4") + END)
        assert b" 413 " in answer.split(b"\r\n")[0]
        assert json_of(answer)["code"] == "body_too_large"
        honest = send_raw(bench.client.url, part("video", b"x" * 1_900_000, "a.mp4") + END)
        assert json_of(honest)["path"] == "/code/data/a.mp4"
        assert unfinished(bench.media) == []


def test_the_same_name_again_replaces_in_one_step(bench: VideoBench, tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    first.write_bytes(b"1" * 100_000)
    second.write_bytes(b"2" * 50_000)
    client = bench.client
    path = client.upload("video", first, "avatar_again.mp4")
    with (bench.media / "avatar_again.mp4").open("rb") as being_read:
        assert client.upload("video", second, "avatar_again.mp4") == path
        assert being_read.read() == b"1" * 100_000
    assert client.download("avatar_again.mp4", tmp_path / "x").content == b"2" * 50_000


@pytest.mark.slow
def test_a_gigabyte_up_and_down_in_bounded_memory(tmp_path: Path) -> None:
    size = 2**30
    with video_bench(tmp_path, start_engine=False) as bench:
        url, pid = bench.client.url, bench.gateway.pid
        small = tmp_path / "small"
        small.write_bytes(b"x" * 2**22)
        Client(url).upload("video", small)
        before = memory_mib(pid)
        block = bytes(range(256)) * 4096
        head, tail = part("video", b"", "avatar_big.mp4")[:-2], b"\r\n" + END

        def body() -> object:
            yield head
            for _ in range(size // len(block)):
                yield block
            yield tail

        answer = requests.post(
            url + "/upload",
            data=body(),  # type: ignore[arg-type]
            headers={"Content-Type": f"multipart/form-data; boundary={DASHES}"},
            timeout=300,
        )
        assert answer.json()["path"] == "/code/data/avatar_big.mp4"
        assert (bench.media / "avatar_big.mp4").stat().st_size == size
        received = 0
        with requests.get(url + "/download", params={"path": "avatar_big.mp4"}, stream=True, timeout=300) as download:
            for chunk in download.iter_content(2**20):
                received += len(chunk)
        assert received == size
        assert memory_mib(pid, "VmHWM") - before < 32
