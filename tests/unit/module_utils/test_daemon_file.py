"""A settings file that several owners have changed is given back as it was found, to the letter."""

from __future__ import annotations

from pathlib import Path

import pytest

from module_utils.daemon_file import DaemonFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "etc" / "daemon.json"


def owner(path: Path, name: str) -> DaemonFile:
    return DaemonFile(str(path), str(path.parent.parent / "notes"), name)


def test_two_owners_give_the_file_back_with_its_layout_and_rights(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('{"b":1,\n\t"a": "x"}')
    path.chmod(0o600)
    for name, settings in [("one", {"live-restore": True}), ("two", {"debug": True}), ("one", {}), ("two", {})]:
        file = owner(path, name)
        file.set(settings, file.read())
    assert path.read_text() == '{"b":1,\n\t"a": "x"}'
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_change_by_somebody_else_outlives_the_owners(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('{"a":1}')
    file = owner(path, "one")
    file.set({"debug": True}, file.read())
    path.write_text('{"a":2,"debug":true}')
    file.set({}, file.read())
    assert file.read() == {"a": 2}


def test_a_file_that_was_not_there_is_gone_again(path: Path) -> None:
    file = owner(path, "one")
    file.set({"debug": True}, file.read())
    assert path.stat().st_mode & 0o777 == 0o644
    file.set({}, file.read())
    assert not path.exists()
    assert not file.record.exists()


def test_what_docker_could_not_read_counts_as_nothing(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("{")
    assert owner(path, "one").read() == {}
