"""What is tried at both entries: with the media that came with the task, and from outside."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from module_utils.entry_client import Entry
from module_utils.entry_test import VideoTest, VoiceTest, ask_outside
from tests.support.entry_server import asked, healthy, serving
from tests.support.servers import free_port


class Recorder:
    """Takes an upload and says of every voice that it is ready."""

    def __init__(self) -> None:
        self.uploaded = b""

    def post_file(self, _path: str, _fields: object, _field: str, _name: str, content: bytes) -> Recorder:
        self.uploaded = content
        return self

    def get(self, _path: str) -> Recorder:
        return self

    def require_ok(self) -> Recorder:
        return self

    def json(self) -> dict[str, Any]:
        return {"data": {"voiceId": "v_1", "status": "ready"}}


def test_the_reference_comes_with_the_task() -> None:
    entry: Any = Recorder()
    params = {"timeout": 1, "reference_audio": base64.b64encode(b"ID3\xff").decode()}
    assert VoiceTest(entry, params).train() == ("voice v_1 is ready", "v_1")
    assert entry.uploaded == b"ID3\xff"


def test_the_clip_comes_with_the_task_or_is_on_the_host(tmp_path: Path) -> None:
    entry: Any = Recorder()
    (tmp_path / "clip.mp4").write_bytes(b"\xffmine")
    for params, content in (
        ({"video": str(tmp_path / "clip.mp4"), "video_content": None}, b"\xffmine"),
        ({"video": None, "video_content": base64.b64encode(b"\xffours").decode()}, b"\xffours"),
    ):
        assert VideoTest(entry, {"timeout": 1, **params})._clip() == content


def test_from_outside_entries_answer_and_other_ports_do_not() -> None:
    shut = free_port()
    with serving(healthy) as entry:
        report = ask_outside(asked(entry, [shut]))
    assert report.ok
    assert [check["name"] for check in report.checks] == ["voice_alive", "video_alive", "video_store", f"closed_{shut}"]


def test_an_open_port_is_reported_with_its_cure() -> None:
    with serving(healthy) as entry:
        port = int(entry.url.rpartition(":")[2])
        report = ask_outside(asked(entry, [port]))
    (failed,) = [check for check in report.checks if not check["ok"]]
    assert (failed["name"], "--tags host" in failed["detail"]) == (f"closed_{port}", True)


def test_an_open_way_to_nothing_is_distinguished_from_a_closed_one() -> None:
    report = ask_outside(asked(Entry(f"http://127.0.0.1:{free_port()}"), []))
    assert [check["name"] for check in report.checks] == ["voice_alive", "video_alive"]
    assert all("nothing runs there" in check["detail"] for check in report.checks)
