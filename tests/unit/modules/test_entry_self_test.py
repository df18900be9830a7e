"""What the module `entry_self_test` sends: the media that came with the task, or a clip that lies on the host."""

from __future__ import annotations

import base64
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.support.library_modules import load_library_module


@pytest.fixture(scope="module")
def module() -> ModuleType:
    """The Ansible module as a Python module."""
    return load_library_module("entry_self_test")


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


def test_the_reference_comes_with_the_task(module: ModuleType) -> None:
    entry = Entry()
    params = {"timeout": 1, "reference_audio": base64.b64encode(b"ID3\xff").decode()}
    assert module.VoiceTest(entry, params).train() == ("voice v_1 is ready", "v_1")
    assert entry.uploaded == b"ID3\xff"


def test_the_clip_comes_with_the_task_or_lies_on_the_host(module: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"\xffmine")
    for params, content in (
        ({"video": str(tmp_path / "clip.mp4"), "video_content": None}, b"\xffmine"),
        ({"video": None, "video_content": base64.b64encode(b"\xffours").decode()}, b"\xffours"),
    ):
        assert module.VideoTest(Entry(), {"timeout": 1, **params})._clip() == content
