"""Uploads that are taken up again after a cut, as tus 1.0 and its own client want it."""

import base64
import io
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests
from tusclient.client import TusClient

from gateway.services.resumable import MOST_UNFINISHED
from tests.support.servers import Server
from tests.support.video import VideoBench, video_bench
from tests.support.voice import VoiceBench, spoken_wav, voice_bench

TUS = {"Tus-Resumable": "1.0.0"}
PIECE = {**TUS, "Content-Type": "application/offset+octet-stream"}
MIB = 1 << 20
MANY_FIELDS = ",".join(f"k{number} eA==" for number in range(40))


@pytest.fixture
def video(tmp_path: Path) -> Iterator[VideoBench]:
    with video_bench(tmp_path, start_engine=False) as bench:
        yield bench


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VoiceBench]:
    with voice_bench(tmp_path_factory.mktemp("voice")) as bench:
        yield bench


def metadata(**fields: str) -> str:
    return ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in fields.items())


def created(server: Server, length: int, path: str = "/upload/resumable", **fields: str) -> str:
    """The address of a new upload."""
    given = fields or {"field": "video", "filename": "avatar_1.mp4"}
    headers = {**TUS, "Upload-Length": str(length), "Upload-Metadata": metadata(**given)}
    answer = requests.post(server.url + path, headers=headers, timeout=10)
    assert answer.status_code == 201, answer.text
    return server.url + answer.headers["Location"]


def offset_of(url: str) -> int:
    answer = requests.head(url, headers=TUS, timeout=30)
    assert answer.status_code == 200
    return int(answer.headers["Upload-Offset"])


def piece(url: str, offset: int, content: bytes) -> requests.Response:
    return requests.patch(url, data=content, headers={**PIECE, "Upload-Offset": str(offset)}, timeout=30)


def stored(video: VideoBench, name: str) -> bytes:
    """What the engine finds."""
    return requests.get(video.client.url + "/download", params={"path": name}, timeout=30).content


def recorded(video: VideoBench) -> int:
    """The acknowledged offset of the only upload."""
    (record,) = (video.media / ".partial").glob("*.json")
    return int(json.loads(record.read_text("utf-8"))["offset"])


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def begun(server: Server, url: str, offset: int, announced: int, content: bytes) -> socket.socket:
    """A piece of which only a part is sent; the connection stays open."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    head = (
        f"PATCH {url.removeprefix(server.url)} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nTus-Resumable: 1.0.0\r\n"
        "Content-Type: application/offset+octet-stream\r\n"
        f"Upload-Offset: {offset}\r\nContent-Length: {announced}\r\n\r\n"
    )
    connection.sendall(head.encode() + content)
    return connection


def test_the_protocols_own_client_uploads_in_pieces(video: VideoBench) -> None:
    content = os.urandom(3 * MIB + 17)
    client = TusClient(video.client.url + "/upload/resumable")
    uploader = client.uploader(
        file_stream=io.BytesIO(content), chunk_size=MIB, metadata={"field": "video", "filename": "avatar_2.mp4"}
    )
    uploader.upload()

    state = requests.get(uploader.url, timeout=10).json()
    assert state["offset"] == state["length"] == len(content)
    assert state["answer"]["path"] == state["answer"]["video_path"] == "/code/data/avatar_2.mp4"
    assert stored(video, "avatar_2.mp4") == content


def test_a_cut_upload_goes_on_where_it_was_cut(video: VideoBench) -> None:
    content = os.urandom(5 * MIB)
    url = created(video.gateway, len(content))
    begun(video.gateway, url, 0, len(content), content[: 2 * MIB + 3]).close()

    # A question for the offset would end the request before all that was sent is read.
    wait_until(lambda: recorded(video) > 0)
    offset = offset_of(url)
    assert offset == 2 * MIB + 3
    assert piece(url, offset, content[offset:]).status_code == 204
    assert stored(video, "avatar_1.mp4") == content


def test_what_was_acknowledged_outlives_a_kill(video: VideoBench) -> None:
    content = os.urandom(40 * MIB)
    url = created(video.gateway, len(content))
    with closing(begun(video.gateway, url, 0, len(content), content[: 35 * MIB])):
        wait_until(lambda: recorded(video) > 0)
        video.gateway.kill()
    acknowledged = recorded(video)
    video.gateway.restart()

    offset = offset_of(url)
    assert offset == acknowledged >= 16 * MIB
    assert piece(url, offset, content[offset:]).status_code == 204
    assert stored(video, "avatar_1.mp4") == content
    assert [path.suffix for path in (video.media / ".partial").iterdir()] == [".json"]


def test_the_newest_request_goes_on(video: VideoBench) -> None:
    """The connection before it may be dead without the server's knowing."""
    content = os.urandom(3 * MIB)
    url = created(video.gateway, len(content))
    with closing(begun(video.gateway, url, 0, len(content), content[:MIB])) as silent:
        (kept,) = (video.media / ".partial").glob("*.content")
        wait_until(lambda: kept.stat().st_size > 0)
        offset = offset_of(url)
        assert offset > 0
        assert piece(url, offset, content[offset:]).status_code == 204
        silent.shutdown(socket.SHUT_WR)
        assert b" 409 " in silent.recv(4096)
    assert stored(video, "avatar_1.mp4") == content


def test_a_recording_in_pieces_becomes_a_voice_once(voice: VoiceBench) -> None:
    content = spoken_wav()
    fields = {"device_id": "device-1", "name": "Piece by piece", "filename": "录音.wav"}
    url = created(voice.gateway, len(content), "/v1/voices/train/resumable", **fields)
    assert piece(url, 0, content[:1000]).status_code == 204
    assert requests.get(url, timeout=10).json() == {"offset": 1000, "length": len(content)}
    assert piece(url, 1000, content[1000:]).status_code == 204

    answers = [requests.get(url, timeout=10).json()["answer"] for _ in range(2)]
    assert answers[0] == answers[1]
    assert piece(url, len(content), b"").status_code == 204
    made = voice.finished(answers[0]["data"]["voiceId"])
    assert (made["status"], made["name"]) == ("ready", "Piece by piece")


def test_an_empty_upload_is_complete_at_once(video: VideoBench) -> None:
    url = created(video.gateway, 0, field="audio", filename="audio_1.wav")
    assert requests.get(url, timeout=10).json()["answer"]["audio_path"] == "/code/data/audio_1.wav"


def test_an_upload_can_be_given_up(video: VideoBench) -> None:
    url = created(video.gateway, 100)
    assert requests.delete(url, headers=TUS, timeout=10).status_code == 204
    assert requests.head(url, headers=TUS, timeout=10).status_code == 404
    assert list((video.media / ".partial").iterdir()) == []


def test_nobody_begins_uploads_without_end(video: VideoBench) -> None:
    urls = [created(video.gateway, 100) for _ in range(MOST_UNFINISHED)]
    headers = {**TUS, "Upload-Length": "5", "Upload-Metadata": metadata(field="audio")}

    def begin() -> requests.Response:
        return requests.post(video.client.url + "/upload/resumable", headers=headers, timeout=10)

    refused = begin()
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_uploads")
    assert requests.delete(urls[0], headers=TUS, timeout=10).status_code == 204
    assert begin().status_code == 201
    assert begin().status_code == 429
    assert piece(urls[1], 0, b"x" * 100).status_code == 204  # a finished one is none of them
    assert begin().status_code == 201


def test_what_the_server_can_do(video: VideoBench) -> None:
    answer = requests.options(video.client.url + "/upload/resumable", timeout=10)
    assert answer.status_code == 204
    assert answer.headers["Tus-Version"] == "1.0.0"
    assert set(answer.headers["Tus-Extension"].split(",")) == {"creation", "termination"}
    assert int(answer.headers["Tus-Max-Size"]) > 0


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 412, "tus_version"),
        ({"Tus-Resumable": "0.2"}, 412, "tus_version"),
        ({**TUS, "Upload-Metadata": metadata(field="video")}, 400, "invalid_request"),
        ({**TUS, "Upload-Length": "-1"}, 400, "invalid_request"),
        ({**TUS, "Upload-Length": "１２"}, 400, "invalid_request"),
        ({**TUS, "Upload-Length": str(10**14), "Upload-Metadata": metadata(field="video")}, 413, "body_too_large"),
        ({**TUS, "Upload-Length": "5"}, 400, "missing_field"),
        ({**TUS, "Upload-Length": "5", "Upload-Metadata": metadata(field="../x")}, 400, "missing_field"),
        ({**TUS, "Upload-Length": "5", "Upload-Metadata": "field ü"}, 400, "invalid_request"),
        (
            {**TUS, "Upload-Length": "5", "Upload-Metadata": ",".join(f"k{n} eA==" for n in range(40))},
            400,
            "invalid_request",
        ),
    ],
)
def test_what_does_not_fit_is_said_before_a_byte_is_sent(
    video: VideoBench, headers: dict[str, str], status: int, code: str
) -> None:
    encoded = {name: value.encode() for name, value in headers.items()}
    answer = requests.post(video.client.url + "/upload/resumable", headers=encoded, timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_pieces_that_do_not_fit_change_nothing(video: VideoBench) -> None:
    url = created(video.gateway, 100)
    assert piece(url, 1, b"x").json()["code"] == "offset_conflict"
    plain = requests.patch(url, data=b"x", headers={**TUS, "Upload-Offset": "0"}, timeout=10)
    assert (plain.status_code, plain.json()["code"]) == (415, "unsupported_media_type")
    assert offset_of(url) == 0
    # What goes beyond the announced length is not taken.
    assert piece(url, 0, b"y" * 150).headers["Upload-Offset"] == "100"
    assert stored(video, "avatar_1.mp4") == b"y" * 100
    unknown = url[:-1] + ("0" if url[-1] != "0" else "1")
    for address in (unknown, video.client.url + "/upload/resumable/..%2F..%2Fetc"):
        answer = requests.patch(address, data=b"", headers={**PIECE, "Upload-Offset": "0"}, timeout=10)
        assert answer.status_code == 404


def test_a_voice_that_can_not_be_made_is_refused_at_the_start(voice: VoiceBench) -> None:
    headers = {**TUS, "Upload-Length": "10", "Upload-Metadata": metadata(device_id="d")}
    answer = requests.post(voice.url + "/v1/voices/train/resumable", headers=headers, timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (400, "missing_field")


def test_an_upload_is_its_keys_own_and_counts_as_work(tmp_path: Path) -> None:
    content = b"x" * 1000
    with video_bench(tmp_path, start_engine=False, api_key="one,two", key_requests_per_day=2) as bench:

        def ask(key: str, method: str, url: str, **more: object) -> int:
            headers = {**PIECE, "X-API-Key": key, "Upload-Offset": "0", "Upload-Length": "1000"}
            fields = metadata(field="video", filename="mine.mp4")
            answer = requests.request(
                method,
                url,
                headers={**headers, "Upload-Metadata": fields},
                timeout=30,
                **more,  # type: ignore[arg-type]
            )
            locations.append(answer.headers.get("Location", ""))
            return answer.status_code

        locations: list[str] = []
        create = bench.gateway.url + "/upload/resumable"
        assert ask("one", "POST", create) == 201
        upload = bench.gateway.url + locations[0]
        for method in ("HEAD", "GET", "PATCH", "DELETE"):
            assert ask("two", method, upload, data=content) == 404
        assert ask("one", "PATCH", upload, data=content) == 204
        download = bench.gateway.url + "/download?path=mine.mp4"
        assert [ask(key, "GET", download) for key in ("one", "two")] == [200, 404]
        assert [ask("one", "POST", create) for _ in range(2)] == [201, 429]
