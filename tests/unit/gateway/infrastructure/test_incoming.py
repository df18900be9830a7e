"""Files that arrive: whole, or gone, or refused for want of room."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from gateway.domain.errors import GatewayError
from gateway.domain.incoming import IncomingFile, IncomingFiles
from gateway.infrastructure import incoming
from gateway.infrastructure.incoming import IncomingFolder


def created(files: IncomingFiles) -> IncomingFile:
    return files.create()


def test_what_was_renamed_stays_and_the_rest_goes(tmp_path: Path) -> None:
    files = IncomingFolder(tmp_path, reserve_bytes=0)
    kept, dropped = created(files), created(files)
    for file in (kept, dropped):
        file.write([b"ab", b"c"])
        file.close()
    kept.path.rename(tmp_path / "kept")
    for file in (kept, dropped):
        file.discard()
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept").read_bytes() == b"abc"


def test_space_is_checked_beforehand_and_while_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = IncomingFolder(tmp_path, reserve_bytes=2**62)
    with pytest.raises(GatewayError, match="storage_full"):
        files.require_space(0)
    monkeypatch.setattr(incoming, "SPACE_BLOCK", 4)
    file = files.create()
    file.write([b"abc"])
    with pytest.raises(GatewayError, match="storage_full"):
        file.write([b"d"])
    file.discard()


def test_a_disk_without_space_for_a_name_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(GatewayError, match="storage_full"):
        IncomingFolder(tmp_path, reserve_bytes=0).create()
