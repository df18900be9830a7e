"""The record holds the files where roles write, down to rights and links, and no content."""

from __future__ import annotations

from pathlib import Path

from module_utils.host_record import compare
from module_utils.host_record_probe import take_record


def test_every_change_of_a_file_shows(tmp_path: Path) -> None:
    docker = tmp_path / "etc" / "docker"
    docker.mkdir(parents=True)
    settings = docker / "daemon.json"
    settings.write_text('{"password": "secret"}')
    sources = tmp_path / "etc" / "apt" / "sources.list.d"
    sources.mkdir(parents=True)
    (sources / "link.list").symlink_to("one")
    before = take_record(str(tmp_path))
    assert "secret" not in str(before["files"])

    settings.chmod(0o600)
    (sources / "link.list").unlink()
    (sources / "link.list").symlink_to("two")
    (sources / "new.list").write_text("deb x")
    now = take_record(str(tmp_path))
    changed = {one.name for one in compare(before, now) if one.section == "files"}
    assert changed == {str(settings), str(sources / "link.list"), str(sources / "new.list")}


def test_a_quiet_host_is_the_same_a_moment_later(tmp_path: Path) -> None:
    before, now = take_record(str(tmp_path)), take_record(str(tmp_path))
    stable = ("packages", "units", "sysctls", "files")
    assert [one.sentence for one in compare(before, now) if one.section in stable] == []
    assert before["sysctls"]["kernel/ostype"] == "Linux"
