"""Files that survive: whole or not at all."""

import errno
from pathlib import Path

import pytest

from gateway.domain.errors import GatewayError
from gateway.infrastructure import files


def written(folder: Path, content: bytes) -> Path:
    temporary = files.temporary_path(folder)
    temporary.write_bytes(content)
    return temporary


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    files.publish(written(tmp_path, b"old"), path)
    files.publish(written(tmp_path, b"new"), path)
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("step", ["sync_file", "sync_folder"])
def test_a_full_disk_is_a_507_and_leaves_a_whole_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "file"
    files.publish(written(tmp_path, b"old"), path)

    def full(_: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, step, full)
    with pytest.raises(GatewayError, match="storage_full") as refused:
        files.publish(written(tmp_path, b"new"), path)
    assert refused.value.status == 507
    assert path.read_bytes() in (b"old", b"new")


def test_space_is_asked_for_beforehand(tmp_path: Path) -> None:
    files.require_free_space(tmp_path, 1, reserve=0)
    with pytest.raises(GatewayError, match="storage_full"):
        files.require_free_space(tmp_path, 1, reserve=2**62)


def test_leftovers_are_swept_and_nothing_else(tmp_path: Path) -> None:
    kept = tmp_path / "sub" / "kept.wav"
    kept.parent.mkdir()
    kept.write_bytes(b"x")
    files.temporary_path(kept.parent).write_bytes(b"half")
    assert files.sweep_temporary(tmp_path) == 1
    assert list(kept.parent.iterdir()) == [kept]
