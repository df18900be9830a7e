"""What is tried at both entries: with the media that came with the task, and from outside."""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from module_utils.entry_test import VideoTest, VoiceTest, ask_outside
from tests.support.played_roles import run_playbook


class Entry:
    """Takes an upload and says of every voice that it is ready."""

    def __init__(self) -> None:
        self.uploaded = b""

    def post_file(self, _path: str, _fields: object, _field: str, _name: str, content: bytes) -> Entry:
        self.uploaded = content
        return self

    def get(self, _path: str) -> Entry:
        return self

    def require_ok(self) -> Entry:
        return self

    def json(self) -> dict[str, Any]:
        return {"data": {"voiceId": "v_1", "status": "ready"}}


def test_the_reference_comes_with_the_task() -> None:
    entry: Any = Entry()
    params = {"timeout": 1, "reference_audio": base64.b64encode(b"ID3\xff").decode()}
    assert VoiceTest(entry, params).train() == ("voice v_1 is ready", "v_1")
    assert entry.uploaded == b"ID3\xff"


def test_the_clip_comes_with_the_task_or_lies_on_the_host(tmp_path: Path) -> None:
    entry: Any = Entry()
    (tmp_path / "clip.mp4").write_bytes(b"\xffmine")
    for params, content in (
        ({"video": str(tmp_path / "clip.mp4"), "video_content": None}, b"\xffmine"),
        ({"video": None, "video_content": base64.b64encode(b"\xffours").decode()}, b"\xffours"),
    ):
        assert VideoTest(entry, {"timeout": 1, **params})._clip() == content


class BothEntries(BaseHTTPRequestHandler):
    """Answers as a healthy entry, voice or video, does."""

    def do_GET(self) -> None:
        self.tell({"message": "ok"})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.tell({"path": "/code/data/audio_test.wav"})

    def tell(self, answer: object) -> None:
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Nothing: the test's output is pytest's."""


@pytest.fixture
def port() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), BothEntries)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def shut() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def asked(port: int, closed_ports: list[int]) -> dict[str, Any]:
    url = f"http://127.0.0.1:{port}"
    return {"voice_url": url, "video_url": url, "api_key": "", "closed_ports": closed_ports, "timeout": 1}


def test_from_outside_entries_answer_and_other_ports_do_not(port: int, shut: int) -> None:
    report = ask_outside(asked(port, [shut]))
    assert report.ok
    assert [check["name"] for check in report.checks] == ["voice_alive", "video_alive", "video_store", f"closed_{shut}"]


def test_an_open_port_is_told_with_its_cure(port: int) -> None:
    report = ask_outside(asked(port, [port]))
    (failed,) = [check for check in report.checks if not check["ok"]]
    assert (failed["name"], "--tags host" in failed["detail"]) == (f"closed_{port}", True)


def test_an_open_way_to_nothing_is_told_apart_from_a_shut_one(shut: int) -> None:
    report = ask_outside(asked(shut, []))
    assert [check["name"] for check in report.checks] == ["voice_alive", "video_alive"]
    assert all("nothing runs there" in check["detail"] for check in report.checks)


PLAY = """\
- hosts: all
  gather_facts: false
  become: true
  tasks:
    - entry_outside_test: "{{ asked }}"
      register: seen
    - ansible.builtin.debug:
        msg: "{{ seen.ok }} with {{ seen.checks | length }} checks"
"""


@pytest.mark.parametrize(("options", "told"), [([], "True with 4 checks"), (["--check"], "True with 0 checks")])
def test_the_control_machine_asks_by_itself(
    tmp_path: Path, port: int, shut: int, options: list[str], told: str
) -> None:
    (tmp_path / "play.yml").write_text(PLAY)
    values = {"asked": asked(port, [shut])}
    _, output = run_playbook(tmp_path / "play.yml", values, *options, inventory="far.invalid,")
    assert told in output
