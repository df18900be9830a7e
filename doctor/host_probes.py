"""Looks where logs are silent and writes down what it sees as lines, which the catalogue's patterns then match."""

from __future__ import annotations

import os
import re
import shutil
from datetime import datetime, timezone
from pathlib import Path
from typing import Iterator, List, Optional, Set, Tuple

from .commands import Commands
from .containers import Container
from .docker_cli import Docker
from .settings import Settings

PROC = Path("/proc")
NVIDIA_SMI = ("nvidia-smi", "--query-gpu=index,name,driver_version,compute_cap", "--format=csv,noheader")
XID_LINES = 200  # newest kernel lines that are looked at
DOWN_LINES = 40  # newest lines of a daemon that does not run
_TCP_LISTEN = "0A"
_SOCKET = re.compile(r"^\s*\d+:\s+[0-9A-F]+:([0-9A-F]{4})\s+\S+\s+([0-9A-F]{2})(?:\s+\S+){5}\s+(\d+)")
_KEEPS_RUNNING = ("always", "unless-stopped")
_STOPPED = (0, 130, 137, 143)  # an orderly end, or the signals that `docker stop`, `docker kill` and Ctrl-C send


def missing_container() -> str:
    """The line for a container that should be there and is not."""
    return "container present=false"


def container_state(container: Container, *, loops: bool) -> str:
    """What Docker knows about a container, one line for each kind of trouble."""
    lines = [f"docker error: {container.error}"] if container.error else []
    if container.status in ("exited", "dead") and _stopped_on_purpose(container):
        lines.append(f"container stopped by hand, exit code {container.exit_code}")
    elif container.status in ("exited", "dead"):
        lines.append(f"container ended, exit code {container.exit_code}")
    if container.status == "created":
        lines.append("container never started")
    if container.status == "paused":
        lines.append("container paused")
    if loops:
        lines.append(f"container restart loop, exit code {container.exit_code}, {container.restart_count} restarts")
    if container.oom_killed and not (container.running and not loops):
        lines.append("container oom_killed=true")
    if container.health == "unhealthy":
        lines.append("container health=unhealthy")
    return "\n".join(lines)


def is_ill(container: Container, *, loops: bool) -> bool:
    """True when Docker says that a container fails, and not only that somebody stopped it."""
    if container.status in ("exited", "dead"):
        return not _stopped_on_purpose(container)
    return loops or container.oom_killed or container.health == "unhealthy" or bool(container.error)


def _stopped_on_purpose(container: Container) -> bool:
    """Docker restarts what a policy keeps running, unless somebody stopped it; else a stop shows in the exit code.

    An error of Docker's own says that the last start failed, at boot before the GPU's driver, say: it tries only once.
    """
    if container.error:
        return False
    return container.restart_policy in _KEEPS_RUNNING or container.exit_code in _STOPPED


class HostProbes:
    """Asks the host. Every answer is text; what can't be asked is left out."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands

    def now(self) -> datetime:
        """The current time, UTC."""
        return datetime.now(timezone.utc)

    def docker_state(self, trouble: str) -> str:
        """Whether Docker can be used; where it can't, also what its daemon complained about last."""
        if trouble == "missing":
            return "docker missing"
        if not trouble:
            return ""
        last = self._docker_journal().splitlines()[-DOWN_LINES:]
        return "\n".join([f"docker trouble: {trouble}", *(f"docker said: {line}" for line in last)])

    def host(self, settings: Settings) -> str:
        """Disk, what Docker's daemon complained about lately and, on a GPU host, what the driver says."""
        lines = [*_disks(settings), self._docker_journal()]
        if settings.gpu:
            lines.append(self._driver())
        return "\n".join(lines)

    def kernel_log(self) -> str:
        """The kernel's newest NVIDIA messages since boot."""
        journal = ["journalctl", "--dmesg", "--boot", "--no-pager", "--output=short-iso", "--grep=NVRM"]
        done = self._commands.run(journal, timeout=30)
        if not done.ok:
            done = self._commands.run(["dmesg"], timeout=30)
        return "\n".join([line for line in done.text.splitlines() if "NVRM" in line][-XID_LINES:])

    def gpu_inside(self, docker: Docker, container: Container) -> str:
        """What ``nvidia-smi`` says inside a container; nothing where the image has none."""
        done = docker.execute(container.name, ["nvidia-smi", "-L"], timeout=30)
        if done.returncode in (124, 126, 127):
            return ""
        return f"{done.text}\n{done.stderr.decode('utf-8', 'replace')}"

    def compute_capability(self) -> Optional[Tuple[int, ...]]:
        """The lowest compute capability of the host's GPUs, or None without a working driver."""
        done = self._commands.run(NVIDIA_SMI, timeout=30)
        found = [line.rsplit(",", 1)[-1].strip() for line in done.text.splitlines()] if done.ok else []
        versions = [tuple(int(part) for part in text.split(".")) for text in found if re.fullmatch(r"\d+\.\d+", text)]
        return min(versions, default=None)

    def port_conflicts(self, docker: Docker, container: Container) -> str:
        """Ports of a container that does not run while somebody else listens on them."""
        if container.running or container.status == "restarting":
            return ""
        listening = self.listening()
        taken = [port for port in container.host_ports if port in listening]
        lines = []
        for port in taken:
            holders = [name for name in docker.names(f"publish={port}", "status=running") if name != container.name]
            holder = f"container {holders[0]}" if holders else self.holder(port)
            lines.append(f"port {port} is held by {holder}")
        return "\n".join(lines)

    def listening(self) -> Set[int]:
        """TCP ports that somebody listens on."""
        return {port for port, _ in _listening_sockets(PROC / "net")}

    def holder(self, port: int) -> str:
        """The program that listens on a port, for a sentence."""
        inodes = {f"socket:[{inode}]" for number, inode in _listening_sockets(PROC / "net") if number == port}
        for link in PROC.glob("[0-9]*/fd/*"):
            try:
                if os.readlink(link) in inodes:  # noqa: PTH115 - Path.readlink came with Python 3.9
                    process = link.parent.parent
                    return f"the program {(process / 'comm').read_text().strip()} (process {process.name})"
            except OSError:
                continue
        return "another program"

    def _docker_journal(self) -> str:
        """The daemon's complaints of the last hour; nothing where systemd does not run it."""
        argv = ["journalctl", "--unit=docker", "--since=-1h", "--no-pager", "--output=cat", "--lines=500"]
        done = self._commands.run(argv, timeout=30)
        return done.text if done.ok else ""

    def _driver(self) -> str:
        if not self._commands.find("nvidia-smi"):
            return "nvidia-smi missing"
        done = self._commands.run(NVIDIA_SMI, timeout=30)
        said = f"{done.text}\n{done.stderr.decode('utf-8', 'replace')}"
        return said if done.ok else f"nvidia-smi failed\n{said}"


def _disks(settings: Settings) -> Iterator[str]:
    seen: Set[int] = set()
    for path in settings.disk_paths:
        try:
            device, usage = Path(path).stat().st_dev, shutil.disk_usage(path)
        except OSError:
            continue
        if device not in seen:
            seen.add(device)
            low = usage.free < min(settings.disk_minimum, usage.total // 20)
            yield f"disk low={str(low).lower()} path={path} free={usage.free >> 20} MiB of {usage.total >> 20} MiB"


def _listening_sockets(folder: Path) -> List[Tuple[int, str]]:
    """(port, inode) of listening sockets, from the kernel's tables ``tcp`` and ``tcp6``."""
    found = []
    for name in ("tcp", "tcp6"):
        try:
            lines = (folder / name).read_text("ascii", "replace").splitlines()
        except OSError:
            continue
        matches = (_SOCKET.match(line) for line in lines)
        found += [(int(m.group(1), 16), m.group(3)) for m in matches if m and m.group(2) == _TCP_LISTEN]
    return found
