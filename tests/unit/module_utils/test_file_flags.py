"""An immutable file is known as such, where its file system can tell."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from module_utils.file_flags import is_immutable


def test_an_immutable_file_is_told_from_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "passwd"
    file.touch()
    assert not is_immutable(str(file))
    assert not is_immutable(str(tmp_path / "missing"))
    monkeypatch.setattr(fcntl, "ioctl", lambda *_arguments: (0x80010).to_bytes(8, "little"))
    assert is_immutable(str(file))
