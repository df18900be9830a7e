"""Files that survive: whole or not at all."""

import errno
from pathlib import Path

import pytest

from gateway.domain.errors import ErrorKind, GatewayError
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
    assert refused.value.kind is ErrorKind.STORAGE_FULL
    assert path.read_bytes() in (b"old", b"new")


def test_space_is_checked_beforehand(tmp_path: Path) -> None:
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


def synced_folders(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders that were synced from now on."""
    found: list[Path] = []
    monkeypatch.setattr(files, "sync_folder", found.append)
    return found


def test_each_name_of_a_new_folder_is_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = synced_folders(monkeypatch)
    files.make_folder(tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c").is_dir()
    assert synced == [tmp_path, tmp_path / "a", tmp_path / "a" / "b"]


def test_so_is_that_of_one_whose_maker_died_before_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    synced = synced_folders(monkeypatch)
    files.make_folder(tmp_path / "a")
    assert synced == [tmp_path]


def test_a_file_in_the_place_of_a_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    with pytest.raises(FileExistsError):
        files.make_folder(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"x"
