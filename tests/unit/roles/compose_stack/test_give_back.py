"""A container that was taken over gets everything back: its name, its restart policy, and its life if it had one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.played_roles import play, stand_in

DOCKER = """\
#!/bin/bash
cd "$(dirname "$0")"
case "$1 $2" in
  "container inspect") [ "$3" != gone ] || exit 1 ;;
  "start broken") echo "no such runtime" >&2; exit 1 ;;
esac
case $1 in rename | update | stop | start) echo "$*" >>calls ;; esac
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    stand_in(tmp_path, "docker", DOCKER)
    (tmp_path / "calls").touch()
    return tmp_path


def give_back(folder: Path, *options: str) -> str:
    status, output = play(
        "compose_stack", "give_back.yml", {"compose_stack_config_dir": str(folder / "etc")}, *options, programs=folder
    )
    assert status == 0, output
    return output


def calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text().splitlines()


def taken(folder: Path, *lines: str) -> None:
    (folder / "etc").mkdir()
    (folder / "etc" / "taken-over.txt").write_text("".join(line + "\n" for line in lines))


def test_each_gets_back_what_it_had(folder: Path) -> None:
    taken(folder, "speech-by-hand speech always true", "other other unless-stopped false", "gone gone no true")
    give_back(folder)
    assert calls(folder) == [
        "rename speech-by-hand speech",
        "update --restart=always speech",
        "start speech",
        "update --restart=unless-stopped other",
    ]
    assert not (folder / "etc" / "taken-over.txt").exists()


def test_of_an_interrupted_run_the_first_line_tells_the_truth(folder: Path) -> None:
    taken(folder, "speech speech always true", "speech speech no false")
    give_back(folder)
    assert calls(folder) == ["update --restart=always speech", "start speech"]


def test_one_that_can_not_start_is_reported_and_stops_nothing(folder: Path) -> None:
    taken(folder, "broken broken no true", "other other no true")
    assert "no such runtime" in give_back(folder)
    assert calls(folder)[-1] == "start other"


def test_a_prediction_changes_nothing(folder: Path) -> None:
    taken(folder, "speech-by-hand speech always true")
    assert "Would give container speech" in give_back(folder, "--check")
    assert calls(folder) == []
    assert (folder / "etc" / "taken-over.txt").exists()


def test_without_a_record_there_is_nothing_to_do(folder: Path) -> None:
    give_back(folder)
    assert calls(folder) == []
