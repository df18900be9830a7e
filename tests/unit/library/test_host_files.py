"""Folders and files in one visit: made once, told truthfully, never half-written."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.library_modules import run_module
from tests.support.played_roles import stand_in

USER, GROUP = str(os.getuid()), str(os.getgid())


def run(*, check: bool = False, **options: Any) -> dict[str, Any]:
    """Run the module as Ansible does, in a process of its own, with our own user in the place of root."""
    for item in [item for kind in ("folders", "files", "secrets") for item in options.get(kind, [])]:
        item["path"] = str(item["path"])
        item.setdefault("owner", USER)
        item.setdefault("group", GROUP)
    return run_module("host_files", {**options, "_ansible_check_mode": check, "_ansible_diff": True})


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def test_folders_and_files_are_made_once(tmp_path: Path) -> None:
    wanted: dict[str, Any] = {
        "folders": [{"path": tmp_path / "a" / "b", "mode": "0750"}],
        "files": [
            {"path": tmp_path / "a" / "b" / "text", "content": "声音\n", "mode": "0600"},
            {"path": tmp_path / "a" / "b" / "bytes", "base64": base64.b64encode(bytes(range(256))).decode()},
        ],
    }
    first = run(**wanted)
    assert first["changed"]
    assert first["changed_paths"] == [str(tmp_path / "a/b"), str(tmp_path / "a/b/text"), str(tmp_path / "a/b/bytes")]
    assert (tmp_path / "a/b/text").read_text("utf-8") == "声音\n"
    assert (tmp_path / "a/b/bytes").read_bytes() == bytes(range(256))
    assert [mode_of(tmp_path / "a/b" / name) for name in ("", "text", "bytes")] == [0o750, 0o600, 0o644]
    second = run(**wanted)
    assert (second["changed"], second["changed_paths"], second["diff"]) == (False, [], [])


def test_only_what_differs_is_written(tmp_path: Path) -> None:
    for name in ("same", "other"):
        (tmp_path / name).write_text("old\n")
    before = (tmp_path / "same").stat()
    files = [{"path": tmp_path / "same", "content": "old\n"}, {"path": tmp_path / "other", "content": "new\n"}]
    answer = run(files=files)
    assert answer["changed_paths"] == [str(tmp_path / "other")]
    assert (answer["diff"][0]["before"], answer["diff"][0]["after"]) == ("old\n", "new\n")
    after = (tmp_path / "same").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_mode_alone_is_a_change(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret\n")
    (tmp_path / "key").chmod(0o644)
    answer = run(files=[{"path": tmp_path / "key", "content": "secret\n", "mode": "0640"}])
    assert answer["changed"]
    assert "0640" in answer["diff"][0]["after"]
    assert mode_of(tmp_path / "key") == 0o640


def test_check_mode_predicts_and_does_nothing(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("old\n")
    (tmp_path / "there").chmod(0o600)
    wanted: dict[str, Any] = {
        "folders": [{"path": tmp_path / "new"}],
        "files": [
            {"path": tmp_path / "new" / "file", "content": "x\n"},
            {"path": tmp_path / "there", "content": "y\n"},
        ],
    }
    foretold = run(check=True, **wanted)
    assert (tmp_path / "there").read_text() == "old\n"
    assert mode_of(tmp_path / "there") == 0o600
    assert not (tmp_path / "new").exists()
    assert run(**wanted)["changed_paths"] == foretold["changed_paths"]


def test_what_does_not_validate_is_never_in_place(tmp_path: Path) -> None:
    (tmp_path / "conf").write_text("good\n")
    wanted = {"path": tmp_path / "conf", "validate": "grep -q good %s"}
    refused = run(files=[{**wanted, "content": "bad\n"}])
    assert refused["failed"]
    assert "conf" in refused["msg"]
    assert (tmp_path / "conf").read_text() == "good\n"
    assert run(files=[{**wanted, "content": "good as well\n"}])["changed"]
    assert [path.name for path in tmp_path.iterdir()] == ["conf"]


@pytest.mark.parametrize("item", [{"owner": "nobody-of-that-name"}, {"group": "nobody-of-that-name"}])
def test_an_unknown_owner_is_a_sentence(tmp_path: Path, item: dict[str, str]) -> None:
    refused = run(files=[{"path": tmp_path / "file", "content": "x", **item}])
    assert refused["failed"]
    assert "nobody-of-that-name" in refused["msg"]
    assert not (tmp_path / "file").exists()


def test_a_folder_in_the_way_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    refused = run(files=[{"path": tmp_path / "file", "content": "x"}])
    assert refused["failed"]
    assert str(tmp_path / "file") in refused["msg"]


def test_a_secret_is_never_shown(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("old-and-secret\n")
    answer = run(secrets=[{"path": tmp_path / "keys", "content": "new-and-secret\n", "mode": "0640"}])
    assert answer["changed_paths"] == [str(tmp_path / "keys")]
    assert (tmp_path / "keys").read_text() == "new-and-secret\n"
    assert mode_of(tmp_path / "keys") == 0o640
    assert "and-secret" not in json.dumps(answer)


# What systemd 257 says; a unit that it does not know is "not-found".
SYSTEMCTL = """\
#!/bin/bash
[ "$*" = "show --property=Id,LoadState,ActiveState,UnitFileState a.timer b.timer c.timer" ] && cat <<'END'
Id=a.timer
LoadState=loaded
ActiveState=active
UnitFileState=enabled

Id=b.timer
LoadState=loaded
ActiveState=inactive
UnitFileState=disabled

Id=c.timer
LoadState=not-found
ActiveState=inactive
UnitFileState=
END
"""


def test_the_states_of_units_are_returned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, "systemctl", SYSTEMCTL)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    answer = run(units=["a.timer", "b.timer", "c.timer"])
    assert not answer["changed"]
    assert answer["units"] == {
        "a.timer": {"active": True, "enabled": True},
        "b.timer": {"active": False, "enabled": False},
    }


def test_a_host_without_systemd_has_no_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run(units=["a.timer"])["units"] == {}
