"""Whatever stands in the way of `make demo` is one clear sentence and exit code 1."""

from __future__ import annotations

import os
import shutil
import socket
from collections import namedtuple
from pathlib import Path

import pytest

from test_host import __main__ as command
from test_host import demo, engine
from test_host.docker_cli import docker
from test_host.errors import HostError
from test_host.host import Host


def one_sentence(capsys: pytest.CaptureFixture[str]) -> str:
    """What was said on standard error; fails unless it is one line of ours."""
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("twinport: ")
    return line


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No program can be found."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("nothing_installed")
def test_no_docker_and_no_root(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert command.main(["demo-up"]) == 1
    assert "start Docker" in one_sentence(capsys)


@pytest.mark.usefixtures("nothing_installed")
def test_no_docker_and_no_package_manager(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert command.main(["demo-up"]) == 1
    assert "Please install: docker.io" in one_sentence(capsys)


def test_a_taken_port(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        monkeypatch.setattr(demo, "HOST", Host("twinport-no-such-host", ports=(port,)))
        monkeypatch.setattr(engine, "require", lambda _: None)
        monkeypatch.setattr(demo, "_require_room", lambda: None)
        assert command.main(["demo-up"]) == 1
    assert f"Port {port} is taken" in one_sentence(capsys)


def test_too_small_a_disk(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(demo, "HOST", Host("twinport-no-such-host"))
    monkeypatch.setattr(engine, "require", lambda _: None)
    monkeypatch.setattr(demo, "docker", lambda *_: str(tmp_path))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10 * 2**30, 9 * 2**30, 2**30))
    assert command.main(["demo-up"]) == 1
    assert "Only 1.0 GiB are free" in one_sentence(capsys)


def test_a_host_that_never_was_can_be_destroyed() -> None:
    Host("twinport-no-such-host").destroy()


def test_an_unknown_suite_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["create", "--name", "x", "--suite", "etch"])
    assert "trixie" in capsys.readouterr().err


def test_an_engine_that_we_did_not_start_is_left_alone(tmp_path: Path) -> None:
    engine.stop(tmp_path)


def test_a_process_that_is_no_docker_engine_is_never_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_running_containers", lambda: False)
    (tmp_path / "dockerd.pid").write_text(str(os.getpid()))
    engine.stop(tmp_path)
    assert not (tmp_path / "dockerd.pid").exists()


def test_docker_s_reason_for_a_failure_is_shown() -> None:
    with pytest.raises(HostError, match="docker"):
        docker("inspect", "twinport-no-such-object")


def test_what_a_killed_engine_left_behind_does_not_stop_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = tmp_path / "docker.pid"
    left.write_text(str(os.getpid()))
    monkeypatch.setattr(engine, "_PID_FILE", left)
    engine._drop_stale_pid_file()
    assert not left.exists()
