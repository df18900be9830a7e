"""The folder as an object store: whole objects under keys, and nothing outside the folder."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from gateway.domain.object_store import ObjectStore
from gateway.infrastructure import folder_store
from gateway.infrastructure.files import temporary_path
from gateway.infrastructure.folder_store import FolderStore


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    (tmp_path / "sub").mkdir()
    return FolderStore(tmp_path)


def put(store: ObjectStore, key: str, content: bytes, folder: Path) -> None:
    temporary = temporary_path(folder)
    temporary.write_bytes(content)
    store.put(temporary, key)
    assert not temporary.exists()


def content(store: ObjectStore, key: str) -> bytes:
    with store.open(key) as file:
        return file.read()


def test_what_is_put_replaces_and_can_be_read_from_any_place(store: FolderStore, tmp_path: Path) -> None:
    put(store, "sub/a.bin", b"old", tmp_path)
    put(store, "sub/a.bin", b"0123456789", tmp_path)
    with store.open("sub/a.bin") as file:
        file.seek(4)
        assert file.read(3) == b"456"
    found = store.stat("sub/a.bin")
    assert found is not None
    assert (found.key, found.name, found.size) == ("sub/a.bin", "a.bin", 10)


def test_a_copy_outlives_its_source(store: FolderStore, tmp_path: Path) -> None:
    put(store, "a", b"first", tmp_path)
    store.copy("a", "sub/b")
    put(store, "a", b"second", tmp_path)
    store.delete("a")
    store.delete("a")
    assert store.stat("a") is None
    assert content(store, "sub/b") == b"first"
    with pytest.raises(FileNotFoundError):
        store.copy("a", "sub/c")


@pytest.mark.parametrize("step", ["publish", "link"])
def test_a_file_of_another_user_is_copied(
    store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    (tmp_path / "theirs").write_bytes(b"x")
    publish = folder_store.publish

    def refused(source: Path, *rest: Path, **_: object) -> None:
        if source == tmp_path / "theirs":
            raise PermissionError(errno.EPERM, "Operation not permitted")
        publish(source, *rest)

    if step == "publish":
        monkeypatch.setattr(folder_store, "publish", refused)
        store.put(tmp_path / "theirs", "sub/b")
    else:
        monkeypatch.setattr(os, "link", refused)
        store.copy("theirs", "sub/b")
    assert content(store, "sub/b") == b"x"
    assert [path.name for path in (tmp_path / "sub").iterdir()] == ["b"]


def test_only_whole_regular_files_are_listed(store: FolderStore, tmp_path: Path) -> None:
    put(store, "sub/a", b"x", tmp_path)
    put(store, "top", b"x", tmp_path)
    temporary_path(tmp_path / "sub").write_bytes(b"half")
    (tmp_path / "sub" / "link").symlink_to("/etc/passwd")
    assert [found.key for found in store.list("sub")] == ["sub/a"]
    assert [found.key for found in store.list()] == ["top"]
    assert store.stat("sub/link") is None
    with pytest.raises(OSError, match="symbolic links"):
        store.open("sub/link")


@pytest.mark.parametrize("key", ["", "/etc/passwd", "../a", "sub/../../a", "sub//a", "a\0b"])
def test_no_key_leads_out_of_the_folder(store: FolderStore, key: str) -> None:
    assert store.stat(key) is None
    with pytest.raises(ValueError, match="not a key"):
        store.open(key)
