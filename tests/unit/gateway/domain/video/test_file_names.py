"""Names from strangers: what an upload is stored as, and what a request may mean."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.access import NOBODY, Owner
from gateway.domain.video.file_names import (
    FOLDER_TAG,
    original_name,
    owner_tag,
    requested_name,
    stored_name,
    tagged,
    upload_names,
)

names = st.text(min_size=1, max_size=300) | st.from_regex(r"[x%~.]{0,230}-?r? *[.]?(mp4)?[ .]*", fullmatch=True).filter(
    bool
)


@pytest.mark.parametrize(
    "name",
    [
        "avatar_0b5a.mp4",
        "audio_0b5a.wav",
        "头像 1.mp4",
        "clip (2).mov",
        "noending",
        "a.b.c.mp4",
        "a+b,c=d@e~f.wav",
        "😀.wav",
        "👨\u200d👩\u200d👧.wav",
        "नमस्ते.wav",
        "สวัสดี.wav",
        "【完】，。.mp4",
        "x" * 216 + ".mp4",
    ],
)
def test_harmless_names_stay(name: str) -> None:
    assert stored_name(name) == name


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd"),
        ("C:\\clip.mp4", "C%3A%5Cclip.mp4"),
        (".ssh", "%2Essh"),
        ("-rf.mp4", "%2Drf.mp4"),
        ("a$(b);c|`e`.wav", "a%24(b)%3Bc%7C%60e%60.wav"),
        ("a\nb\0c.mp4", "a%0Ab%00c.mp4"),
        ("100%.wav", "100%25.wav"),
        ("gpj\u202e.wav", "gpj%E2%80%AE.wav"),
        ("caf\udce9.wav", "caf%E9.wav"),
        ("a.wav.", "a.wav%2E"),
        ("a.wav ", "a.wav%20"),
        ("5f0c-r.mp4", "5f0c%2Dr.mp4"),
        ("..", "%2E%2E"),
        ("temp", "%74emp"),
        ("Inputs", "%49nputs"),
        ("e\u0301.wav", "é.wav"),
    ],
)
def test_what_could_do_harm_is_encoded(name: str, stored: str) -> None:
    assert stored_name(name) == stored
    assert original_name(stored) == unicodedata.normalize("NFC", name)


@given(names)
def test_any_name_becomes_one_plain_file_name_that_is_found_again(name: str) -> None:
    stored = stored_name(name)
    assert "/" not in stored
    assert not stored.startswith((".", "-"))
    assert len(stored.encode()) <= 220
    assert not stored.endswith("-r.mp4")
    assert stored not in {"temp", "result", "log", "inputs", "outputs"}
    assert not re.search(r"[\x00-\x1f$`;|&<>'\"*?\\]", stored)
    assert next(upload_names("/code/data/" + stored)) == stored
    for form in ("NFC", "NFD"):
        assert stored in upload_names(unicodedata.normalize(form, name))  # type: ignore[arg-type]
    if "\ud800" <= max(name) <= "\udfff":
        return
    assert stored in upload_names(quote(name))
    assert stored in upload_names(quote("/code/data/" + stored))


@given(names, names)
def test_different_names_never_meet(one: str, other: str) -> None:
    same = unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other)
    assert (stored_name(one) == stored_name(other)) == same
    own = tagged(stored_name(other), owner_tag(Owner("key")))
    assert own != stored_name(one)
    assert len(own.encode()) <= 240


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("😀.wav", "🎉.wav"),
        ("a.wav", "A.wav"),
        ("a.wav", "a .wav"),
        ("a.wav", "a.wav."),
        ("a.wav", "x/a.wav"),
        ("a.wav", "x\\a.wav"),
        ("x/a.wav", "x\\a.wav"),
        ("a.wav", "a\u200f.wav"),
        ("\udcff.wav", "\udcfe.wav"),
        ("a%2Fb.wav", "a/b.wav"),
        ("字" * 300 + "一.wav", "字" * 300 + "二.wav"),
        ("%" * 200 + ".wav", "%" * 201 + ".wav"),
    ],
)
def test_names_that_are_nearly_the_same_are_two(one: str, other: str) -> None:
    assert stored_name(one) != stored_name(other)


def test_a_long_name_keeps_its_beginning_and_its_ending() -> None:
    stored = stored_name("字" * 100 + ".mp4")
    assert stored.startswith("字" * 20)
    assert stored.endswith(".mp4")
    assert original_name(stored) is None
    assert original_name(stored_name("%" * 100 + ".mp4")) is None


def test_a_name_that_looks_like_a_stored_one_is_none() -> None:
    long = stored_name("字" * 100 + ".mp4")
    own = tagged("a.wav", owner_tag(Owner("key")))
    assert stored_name(long) != long
    assert stored_name(own) != own
    assert original_name(own) == "a.wav"
    assert owner_tag(NOBODY) == ""


def test_the_caller_s_own_file_of_a_name_comes_before_that_of_others() -> None:
    tag = owner_tag(Owner("key", "device"))
    found = list(upload_names("a.wav", tag))
    assert found[:3] == [tagged("a.wav", tag), "a.wav", tagged("a.wav", FOLDER_TAG)]


def test_an_answered_path_means_that_file_and_a_bare_name_the_one_that_was_sent() -> None:
    assert next(upload_names("/code/data/100%25.wav")) == "100%25.wav"
    assert next(upload_names("100%25.wav")) == "100%2525.wav"
    assert next(upload_names("a/b.wav")) == "a%2Fb.wav"


def test_a_path_that_is_far_too_long_names_nothing() -> None:
    assert list(upload_names("x" * 20_000)) == []


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
        "%2Fcode%2Fdata%2FX.mp4",
    ],
)
def test_all_spellings_name_the_same_file(path: str) -> None:
    assert requested_name(path) == "X.mp4" or "%" in path
    assert "X.mp4" in upload_names(path)


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
def test_anything_else_is_no_name_and_leads_nowhere(path: str) -> None:
    assert requested_name(path) is None
    for name in upload_names(path):
        assert "/" not in name
        assert not name.startswith(".")
