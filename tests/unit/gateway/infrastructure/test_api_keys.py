"""API keys: several, from two places, read anew while running."""

import os
from pathlib import Path

import pytest

from gateway.infrastructure import api_keys
from gateway.infrastructure.api_keys import ApiKeys


@pytest.fixture(autouse=True)
def look_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_keys, "CHECK_EVERY_SECONDS", 0.0)


def replace(path: Path, text: str) -> None:
    other = path.with_suffix(".new")
    other.write_text(text, encoding="utf-8")
    other.replace(path)


def test_without_keys_none_is_required() -> None:
    assert not ApiKeys(given="").required


def test_each_of_several_keys_is_accepted() -> None:
    keys = ApiKeys(given="one, two")
    assert keys.required
    assert keys.accepts("one")
    assert keys.accepts("two")
    assert not keys.accepts("on")
    assert not keys.accepts("")


def test_the_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "api_keys"
    keys = ApiKeys(given="", file=file)
    assert not keys.required
    replace(file, "# keys\nfirst  # of Anna\n\n密钥\n")
    assert keys.required
    assert keys.accepts("first")
    assert keys.accepts("密钥")
    replace(file, "second\n")
    assert keys.accepts("second")
    assert not keys.accepts("first")


def test_deleting_the_file_opens_nothing(tmp_path: Path) -> None:
    file = tmp_path / "api_keys"
    file.write_text("key\n")
    keys = ApiKeys(given="", file=file)
    file.unlink()
    assert keys.required
    assert keys.accepts("key")
    assert not keys.accepts("other")


@pytest.mark.parametrize("text", ["", "\n", "# none for now\n"])
def test_emptying_the_file_opens_nothing(tmp_path: Path, text: str) -> None:
    file = tmp_path / "api_keys"
    file.write_text("key\n")
    keys = ApiKeys(given="", file=file)
    replace(file, text)
    assert keys.required
    assert keys.accepts("key")
    assert not keys.accepts("")
    replace(file, "other\n")
    assert keys.accepts("other")
    assert not keys.accepts("key")


def test_an_admin_key_alone_opens_the_admin_view() -> None:
    keys = ApiKeys(given="user", admin="boss")
    assert keys.accepts("boss")
    assert keys.accepts_admin("boss")
    assert not keys.accepts_admin("user")


def test_administrators_keys_come_from_a_file_too(tmp_path: Path) -> None:
    users, admins = tmp_path / "api_keys", tmp_path / "admin_api_keys"
    users.write_text("user\n", encoding="utf-8")
    admins.write_text("", encoding="utf-8")
    keys = ApiKeys(given="", file=users, admin_file=admins)
    assert keys.accepts_admin("user")
    replace(admins, "boss # Anna\n")
    assert keys.accepts("boss")
    assert keys.accepts_admin("boss")
    assert not keys.accepts_admin("user")
    assert keys.name_of(keys.id_of("boss")) == "Anna"


def test_an_administrators_key_alone_closes_the_entry(tmp_path: Path) -> None:
    admins = tmp_path / "admin_api_keys"
    admins.write_text("boss\n", encoding="utf-8")
    keys = ApiKeys(given="", file=tmp_path / "api_keys", admin_file=admins)
    assert keys.required
    assert not keys.accepts("")


def test_without_admin_keys_only_the_holder_of_the_only_key_is_the_administrator() -> None:
    assert ApiKeys(given="user").accepts_admin("user")
    two = ApiKeys(given="one,two")
    assert not two.accepts_admin("one")
    assert not two.accepts_admin("two")


def test_a_key_is_called_by_the_comment_behind_it(tmp_path: Path) -> None:
    file = tmp_path / "api_keys"
    file.write_text("first # Anna\u202e's laptop\nsecond\nthird  #  " + "x" * 100 + "\n", encoding="utf-8")
    keys = ApiKeys(given="given", admin="boss", file=file)
    names = [keys.name_of(keys.id_of(key)) for key in ("first", "second", "third", "given", "boss", "other")]
    assert names == ["Anna's laptop", "unnamed", "x" * 64, "unnamed", "admin", "former"]
    assert "first" not in keys.id_of("first")
    assert keys.id_of(" first ") == keys.id_of("first") != keys.id_of("second")


def test_a_file_that_can_not_be_read_stops_the_start(tmp_path: Path) -> None:
    file = tmp_path / "api_keys"
    file.mkdir()
    with pytest.raises(OSError, match=os.strerror(21)):
        ApiKeys(given="", file=file)
