"""Looks where logs are silent and writes down what it sees as lines, which the catalogue's patterns then match."""

from __future__ import annotations

import re
import shutil
from datetime import datetime, timezone
from pathlib import Path
from typing import Iterable, List, Sequence, Set

from .commands import Commands
from .containers import Container
from .docker_cli import Docker
from .settings import Settings

NVIDIA_SMI = ("nvidia-smi", "--query-gpu=index,name,driver_version,compute_cap", "--format=csv,noheader")


def missing_container() -> str:
    """The line for a container that should be there and is not."""
    return "container present=false"


def container_state(container: Container, loops: bool) -> str:
    """What Docker knows about a container, one line for each kind of trouble."""
    lines = [f"container present=true status={container.status} exit_code={container.exit_code}"]
    if container.status in ("exited", "dead"):
        lines.append(f"container stopped exit_code={container.exit_code}")
    if container.status == "created":
        lines.append("container never started")
    if container.status == "paused":
        lines.append("container paused")
    if loops:
        lines.append(f"container restart loop, exit code {container.exit_code}, {container.restart_count} restarts")
    if container.oom_killed and not container.running:
        lines.append("container oom_killed=true")
    if container.health == "unhealthy":
        lines.append("container health=unhealthy")
    if container.error:
        lines.append(f"docker error: {container.error}")
    return "\n".join(lines)


class HostProbes:
    """Asks the host. Every answer is text; what can't be asked is left out."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands

    def now(self) -> datetime:
        """The current time, UTC."""
        return datetime.now(timezone.utc)

    def docker_state(self, trouble: str) -> str:
        """Whether Docker can be used."""
        return f"docker {trouble}" if trouble else "docker ok"

    def host(self, settings: Settings, containers: Sequence[Container]) -> str:
        """Disk, ports and, on a GPU host, what the driver says."""
        lines = list(self._disks(settings))
        lines += self._ports(containers)
        if settings.gpu:
            lines.append(self._gpu())
        return "\n".join(lines)

    def kernel_log(self) -> str:
        """The kernel's NVIDIA messages since boot, newest last."""
        journal = ["journalctl", "--dmesg", "--no-pager", "--output=short-iso", "--grep=NVRM"]
        done = self._commands.run(journal, timeout=30)
        if not done.ok:
            done = self._commands.run(["dmesg"], timeout=30)
        return "\n".join(line for line in done.text.splitlines() if "NVRM" in line)

    def gpu_inside(self, docker: Docker, container: Container) -> str:
        """What ``nvidia-smi`` says inside a container."""
        done = docker.execute(container.name, ["nvidia-smi", "-L"], timeout=30)
        if done.returncode in (124, 126, 127):
            return ""  # no nvidia-smi in the image, or no answer: says nothing about the GPU
        return done.text + "\n" + done.stderr.decode("utf-8", "replace")

    def _gpu(self) -> str:
        if not self._commands.find("nvidia-smi"):
            return "nvidia-smi missing"
        done = self._commands.run(NVIDIA_SMI, timeout=30)
        said = done.text + "\n" + done.stderr.decode("utf-8", "replace")
        return said if done.ok else f"nvidia-smi failed\n{said}"

    def _disks(self, settings: Settings) -> Iterable[str]:
        seen: Set[int] = set()
        for path in settings.disk_paths:
            try:
                device, usage = Path(path).stat().st_dev, shutil.disk_usage(path)
            except OSError:
                continue
            if device in seen:
                continue
            seen.add(device)
            low = usage.free < min(settings.disk_minimum, usage.total // 20)
            yield f"disk low={str(low).lower()} path={path} free={usage.free >> 20} MiB of {usage.total >> 20} MiB"

    def _ports(self, containers: Sequence[Container]) -> Iterable[str]:
        """Ports of containers that do not run while somebody else listens on them."""
        listening = listening_ports(Path("/proc/net"))
        for container in containers:
            for port in container.host_ports:
                if not container.running and container.status != "restarting" and port in listening:
                    yield f"port {port} of {container.name} is held by somebody else"


_TCP_LISTEN = "0A"
_LOCAL_PORT = re.compile(r"^\s*\d+:\s+[0-9A-F]+:([0-9A-F]{4})\s+\S+\s+([0-9A-F]{2})\s")


def listening_ports(folder: Path) -> List[int]:
    """TCP ports that somebody listens on, from the kernel's tables ``tcp`` and ``tcp6``."""
    ports: Set[int] = set()
    for name in ("tcp", "tcp6"):
        try:
            lines = (folder / name).read_text("ascii", "replace").splitlines()
        except OSError:
            continue
        matches = (_LOCAL_PORT.match(line) for line in lines)
        ports.update(int(m.group(1), 16) for m in matches if m and m.group(2) == _TCP_LISTEN)
    return sorted(ports)
