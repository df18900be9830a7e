"""The module `docker_daemon_json` on a host whose unit has flags: what is decided there is left alone, or refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from module_utils.dockerd_flags import USUAL_UNIT
from tests.support.played_roles import stand_in

DEFAULTS = {"log-driver": "json-file", "log-opts": {"max-size": "20m"}, "live-restore": True}


def run(folder: Path, flags: str = "", **arguments: Any) -> dict[str, Any]:
    """The module's answer on a host whose dockerd is started with further flags."""
    (folder / "unit").write_text(USUAL_UNIT.replace("$DOCKER_OPTS", flags))
    stand_in(folder / "bin", "systemctl", f"#!/bin/sh\ncat {folder}/unit\n")
    paths = {name: str(folder / name) for name in ("daemon.json", "state", "pending")}
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.run_module", "docker_daemon_json"],
        input=json.dumps(
            {"owner": "docker", "path": paths["daemon.json"], "state_dir": paths["state"], "pending": paths["pending"]}
            | arguments
        ),
        env={**os.environ, "PATH": f"{folder / 'bin'}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("flags", "settings"),
    [
        ("", DEFAULTS),
        ("--live-restore=false", {"log-driver": "json-file", "log-opts": {"max-size": "20m"}}),
        ("--log-driver journald", {"live-restore": True}),
    ],
)
def test_a_default_that_a_flag_decides_is_left_out(tmp_path: Path, flags: str, settings: dict[str, Any]) -> None:
    assert run(tmp_path, flags, defaults=DEFAULTS)["settings"] == settings
    assert json.loads((tmp_path / "daemon.json").read_text()) == settings


def test_a_setting_that_a_flag_decides_is_refused_and_nothing_is_changed(tmp_path: Path) -> None:
    answer = run(tmp_path, "--data-root /data", settings={"data-root": "/other"})
    assert "data-root (--data-root /data)" in answer["msg"]
    assert not (tmp_path / "daemon.json").exists()
    assert not (tmp_path / "state").exists()


def test_what_was_found_is_given_back_whatever_docker_thinks_of_it(tmp_path: Path) -> None:
    found = '{\n  "hosts": [\n    "tcp://0.0.0.0:2375"\n  ]\n}\n'
    (tmp_path / "daemon.json").write_text(found)
    assert run(tmp_path, settings={"debug": True})["changed"]
    assert run(tmp_path)["changed"]
    assert (tmp_path / "daemon.json").read_text() == found
