"""A Docker engine on this machine: found running, or installed from the distribution and started."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from test_host.docker_cli import answers, docker
from test_host.errors import HostError

_LOG = Path("/var/log/twinport-dockerd.log")
_PID_FILE = Path("/var/run/docker.pid")
_START_SECONDS = 60


def require(state: Path) -> None:
    """Ensure that a Docker engine answers; `state` records one that we started ourselves.

    Several processes may call this at once: one of them starts the engine, the others wait for it.
    Raises HostError where none runs and none can be started by us.
    """
    if not answers("info"):
        with _alone(state):
            _bring_up(state)


@contextmanager
def _alone(state: Path) -> Iterator[None]:
    state.mkdir(parents=True, exist_ok=True)
    with (state / "engine.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _bring_up(state: Path) -> None:
    if answers("info"):
        return
    if os.geteuid() != 0:
        raise HostError(
            "No Docker engine answers and this is not root: start Docker (or add yourself to the docker group), "
            "or run as root so that it can be installed from the distribution."
        )
    if shutil.which("dockerd") is None:
        install_packages("docker.io", "iptables")
    if not answers("info"):
        _start(state)


def stop(state: Path) -> None:
    """Stop the engine that `require` started by hand, unless it still runs other containers."""
    pid_file = state / "dockerd.pid"
    if not pid_file.exists():
        return
    if answers("info") and _running_containers():
        return
    pid = int(pid_file.read_text())
    if _is_dockerd(pid):
        os.kill(pid, signal.SIGTERM)
        _wait(lambda: not _is_dockerd(pid), "The Docker engine did not stop.")
    pid_file.unlink()
    _LOG.unlink(missing_ok=True)


def install_packages(*names: str) -> None:
    """Install packages of the distribution; raises HostError where there is no apt, no root or no archive."""
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise HostError(
            f"Please install: {' '.join(names)} (this needs root and is automatic on Debian and Ubuntu only)."
        )
    print(f"==> Installing {' '.join(names)} from the distribution", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "-qq", "update"],
        ["apt-get", "-qq", "-y", "install", "--no-install-recommends", *names],
    ):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        complaint = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise HostError(f"apt-get could not install {' '.join(names)}: {complaint}")


def _start(state: Path) -> None:
    print("==> Starting a Docker engine", flush=True)
    if Path("/run/systemd/system").is_dir():
        subprocess.run(["systemctl", "start", "docker"], check=False, capture_output=True)
    else:
        _drop_stale_pid_file()
        with _LOG.open("ab") as log:
            daemon = subprocess.Popen(
                ["dockerd"], stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )
        (state / "dockerd.pid").write_text(str(daemon.pid))
    _wait(
        lambda: answers("info"),
        f"The Docker engine did not come up; its log is {_LOG} or `journalctl -u docker`.",
    )


def _drop_stale_pid_file() -> None:
    """Remove the leftovers of a killed engine: the next one does not start while its process id is in use."""
    if _PID_FILE.exists() and not _is_dockerd(int(_PID_FILE.read_text().strip() or 0)):
        _PID_FILE.unlink()


def _wait(ready: Callable[[], bool], complaint: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not ready():
        if time.monotonic() > deadline:
            raise HostError(complaint)
        time.sleep(0.5)


def _running_containers() -> bool:
    return bool(docker("ps", "-q"))


def _is_dockerd(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() == "dockerd"
    except OSError:
        return False
