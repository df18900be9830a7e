"""Names from strangers: what an upload is stored as, and what a download may ask for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.task import task_key
from gateway.infrastructure.media_folder import MediaFolder, asked_name, safe_name


@pytest.mark.parametrize(
    "name",
    ["avatar_0b5a.mp4", "audio_0b5a.wav", "头像 1.mp4", "clip (2).mov", "noending", "a.b.c.mp4"],
)
def test_harmless_names_stay(name: str) -> None:
    assert safe_name(name, fallback="f") == name


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\x\\clip.mp4", "clip.mp4"),
        ("/abs/clip.mp4", "clip.mp4"),
        (".ssh", "ssh"),
        ("-rf.mp4", "rf.mp4"),
        ("a$(reboot)b;c|d`e`.wav", "a_(reboot)b_c_d_e_.wav"),
        ("a\nb\0c.mp4", "a_b_c.mp4"),
        ("5f0c-r.mp4", "5f0c-r_.mp4"),
        ("5f0c-r .mp4", "5f0c-r_.mp4"),
        ("x" * 194 + "-r.mp4", "x" * 193 + "-r_.mp4"),
        ("x" * 194 + "-rest.mp4", "x" * 193 + "-r_.mp4"),
        ("-.ssh", "ssh"),
        ("..", "f"),
        ("", "f"),
        ("temp", "f"),
        ("Inputs", "f"),
        ("x" * 300 + ".mp4", "x" * 196 + ".mp4"),
        ("字" * 100 + ".mp4", "字" * 65 + ".mp4"),
    ],
)
def test_hostile_names_are_defused(name: str, stored: str) -> None:
    assert safe_name(name, fallback="f") == stored


@given(st.text(max_size=400) | st.from_regex(r"x{0,210}-r? *[.]?(mp4)?[ .]*", fullmatch=True))
def test_any_name_becomes_one_plain_file_name(name: str) -> None:
    stored = safe_name(name, fallback="fallback")
    assert stored
    assert "/" not in stored
    assert not stored.startswith((".", "-"))
    assert len(stored.encode()) <= 200
    assert not stored.endswith("-r.mp4")
    assert stored not in {"temp", "result", "log", "inputs", "outputs"}
    assert not re.search(r"[\x00-\x1f$`;|&<>'\"*?\\]", stored)
    assert asked_name("/code/data/" + stored) == stored


@pytest.mark.parametrize(
    "path",
    [
        "/code/data/temp/X.mp4",
        "code/data/temp/X.mp4",
        "temp/X.mp4",
        "/temp/X.mp4",
        "/X.mp4",
        "X.mp4",
        "/code/data/X.mp4",
    ],
)
def test_all_spellings_name_the_same_file(path: str) -> None:
    assert asked_name(path) == "X.mp4"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "..",
        "/..",
        "../X",
        "/code/data/temp/../../../etc/passwd",
        "/etc/passwd",
        "temp//X",
        "a\\b",
        "a\0b",
        ".part",
    ],
)
def test_anything_else_names_nothing(path: str) -> None:
    assert asked_name(path) is None


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


@given(st.text(min_size=1, max_size=200))
def test_no_code_reaches_a_shell(code: str) -> None:
    key = task_key(code)
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}|t\.[0-9a-f]{32}", key)
    assert task_key(code) == key


def test_plain_codes_keep_their_name_and_others_never_meet() -> None:
    assert task_key("5f0c3a3e-0000-4000-8000-000000000000") == "5f0c3a3e-0000-4000-8000-000000000000"
    assert len({task_key(code) for code in ("a;b", "a b", "a/b", "../a", "a", "t.1", "任务")}) == 7
