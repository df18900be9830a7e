"""The names that uploads were sent under, and those that only look alike."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from gateway.domain.video.file_names import stored_name, tagged
from gateway.infrastructure.video.sent_names import SentNames, SimilarNames

LONG = "字" * 100 + ".wav"


@pytest.mark.parametrize("sent", ["a.wav", "张 1.wav", "a/b.wav", "e\u0301.wav"])
def test_a_name_that_the_stored_one_says_needs_no_note(tmp_path: Path, sent: str) -> None:
    names = SentNames(tmp_path / "names")
    names.note(stored_name(sent), sent)
    assert not (tmp_path / "names").exists()
    assert names.of(stored_name(sent)) == stored_name(sent).replace("%2F", "/")


def test_a_long_name_is_kept_until_its_upload_is_gone(tmp_path: Path) -> None:
    names, stored = SentNames(tmp_path / "names"), stored_name(LONG)
    assert names.of(stored) == stored
    names.note(stored, LONG)
    assert SentNames(tmp_path / "names").of(stored) == LONG
    names.forget(stored)
    assert names.of(stored) == stored
    names.forget(stored)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("①.wav", "ｗ.wav", "W.wav", ".part", "x.wav", tagged("x.wav", "0123456789ab")):
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("1.wav", ["①.wav"]),
        ("①.wav", ["①.wav"]),
        ("w.wav", ["ｗ.wav"]),
        ("x.wav", []),  # two have that name
        ("y.wav", []),
        (".part", []),
    ],
)
def test_only_a_single_one_is_meant(folder: Path, asked: str, found: list[str]) -> None:
    assert SimilarNames(folder).like([asked]) == found
    assert SimilarNames(folder).like(["y.wav", asked]) == found


def test_what_comes_and_goes_is_noticed(folder: Path) -> None:
    names = SimilarNames(folder)
    assert names.like(["2.wav"]) == []
    (folder / "②.wav").touch()
    assert names.like(["2.wav"]) == ["②.wav"]
    (folder / "②.wav").unlink()
    assert names.like(["2.wav"]) == []
    assert SimilarNames(folder / "none").like(["2.wav"]) == []


def test_a_folder_that_rests_is_read_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long_ago = time.time() - 60
    os.utime(folder, (long_ago, long_ago))
    names = SimilarNames(folder)
    assert names.like(["1.wav"]) == ["①.wav"]
    monkeypatch.setattr(Path, "iterdir", lambda _: pytest.fail("read again"))
    assert names.like(["1.wav"]) == ["①.wav"]
