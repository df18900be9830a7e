"""The shared folder: nothing outside it, no links, and no video before it is whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.infrastructure.video.media_folder import MediaFolder


@given(st.text(max_size=60), st.sampled_from(["", "/", "/code/data/", "/code/data/temp/", "temp/../"]))
def test_no_download_leaves_the_folder(tmp_path_factory: pytest.TempPathFactory, tail: str, prefix: str) -> None:
    root = tmp_path_factory.getbasetemp()
    folder = MediaFolder(root / "media")
    found = folder.find_download(prefix + tail)
    assert found is None or found.path.resolve().is_relative_to(folder.root.resolve())


def test_links_are_not_followed(tmp_path: Path) -> None:
    folder = MediaFolder(tmp_path / "media")
    folder.prepare()
    (folder.root / "X.mp4").symlink_to("/etc/passwd")
    (folder.outputs / "Y-r.mp4").symlink_to("/etc/passwd")
    assert folder.find_download("/X.mp4") is None
    assert folder.find_download("/Y-r.mp4") is None
    assert folder.find_upload("/code/data/X.mp4") is None


def test_what_an_engine_still_writes_is_not_found(tmp_path: Path) -> None:
    folder = MediaFolder(tmp_path / "media")
    folder.prepare()
    (folder.temp / "a-r.mp4").write_bytes(b"half")
    assert folder.find_download("/a-r.mp4", unfinished={"a"}) is None
    found = folder.find_download("/a-r.mp4", unfinished={"b"})
    assert found is not None
    assert found.size == 4


def test_held_inputs_outlive_their_uploads(tmp_path: Path) -> None:
    folder = MediaFolder(tmp_path / "media")
    folder.prepare()
    for name in ("a.wav", "v.mp4"):
        (folder.root / name).write_bytes(name.encode())
    folder.hold_inputs("key", folder.root / "a.wav", folder.root / "v.mp4")
    for upload in list(folder.uploads()):
        assert folder.remove(upload)
    assert folder.inputs_of("key").uploaded_audio.read_bytes() == b"a.wav"
    assert [held.name for held in folder.held_inputs()] == ["key"]
    folder.drop_inputs("key")
    assert list(folder.held_inputs()) == []


def test_leftovers_are_weighed_with_all_that_is_in_them(tmp_path: Path) -> None:
    folder = MediaFolder(tmp_path / "media")
    folder.prepare()
    work = folder.temp / "a" / "frames"
    work.mkdir(parents=True)
    (work / "1.png").write_bytes(b"x" * 100_000)
    os.utime(work / "1.png", (2e9, 2e9))
    (leftover,) = folder.engine_leftovers()
    assert leftover.name == "a"
    assert leftover.size >= 100_000
    assert leftover.modified == 2e9
    assert folder.remove(leftover)
    assert list(folder.temp.iterdir()) == []
