# SPDX-License-Identifier: Apache-2.0
"""Who holds a port, by the name that its administrator knows, and the command that frees it."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import AbstractSet, Iterator, List, NamedTuple, Optional

from ..host_commands import output_of, text_of

PROC = Path("/proc")
_UNIT = re.compile(r"/([^/]+\.service)(?:/|$)")
_CONTAINER = re.compile(
    r"/(docker|libpod)-(?:conmon-)?([0-9a-f]{12,64})(?:\.scope)?(?:/|$)|/(docker)/([0-9a-f]{64})(?:/|$)"
)


class Holder(NamedTuple):
    """For a sentence: who it is, and what frees the port; the cure is empty where nothing is known."""

    name: str
    cure: str


def holder_of(port: int, inodes: AbstractSet[int]) -> Holder:
    """The program that listens on a port through one of these sockets."""
    pids = list(_owners(inodes))
    # systemd listens for a service that does not run yet.
    waiting = _socket_unit(port) if not pids or pids == [1] else ""
    if waiting:
        return Holder("{0}{1}".format(waiting, _packaged(_unit_file(waiting))), _disable(waiting))
    if not pids:
        return Holder("an unknown process", "")
    # The server, and not the worker that has inherited its socket.
    return process_holder(min(pids))


def process_holder(pid: int) -> Holder:
    """A process, as its container, its service, or itself."""
    return _in_container(pid) or _in_unit(pid) or _alone(pid)


def _owners(inodes: AbstractSet[int]) -> Iterator[int]:
    wanted = {"socket:[{0}]".format(inode) for inode in inodes}
    for folder in PROC.glob("[0-9]*"):
        try:
            if any(os.readlink(str(link)) in wanted for link in (folder / "fd").iterdir()):  # noqa: PTH115 - Python 3.8
                yield int(folder.name)
        except OSError:
            continue


def _socket_unit(port: int) -> str:
    """The systemd socket that listens on the port."""
    for line in output_of(["systemctl", "list-sockets", "--all", "--no-legend", "--plain", "--full"]).splitlines():
        columns = line.split()
        if len(columns) > 1 and re.search(r"(^|:){0}$".format(port), columns[0]):
            return columns[1]
    return ""


def _in_container(pid: int) -> Optional[Holder]:
    """Of a container that shares the host's network."""
    found = _CONTAINER.search(_cgroup(pid))
    if not found:
        return None
    program = "podman" if found.group(1) == "libpod" else "docker"
    number = (found.group(2) or found.group(4))[:12]
    name = output_of([program, "inspect", "--format", "{{.Name}}", number]).strip().lstrip("/") or number
    return Holder("container {0} ({1})".format(name, _comm(pid)), "{0} stop {1}".format(program, name))


def _in_unit(pid: int) -> Optional[Holder]:
    """Of a service; what a login session started is nobody's service."""
    cgroup = _cgroup(pid)
    units: List[str] = _UNIT.findall(cgroup)
    if not units or "/user.slice/" in cgroup:
        return None
    unit = units[-1]
    cure = "snap stop --disable {0}".format(unit.split(".")[1]) if unit.startswith("snap.") else _disable(unit)
    return Holder("{0} ({1}, process {2}{3})".format(unit, _comm(pid), pid, _packaged(_program(pid))), cure)


def _alone(pid: int) -> Holder:
    return Holder("{0} (process {1}{2})".format(_comm(pid), pid, _packaged(_program(pid))), "kill {0}".format(pid))


def _disable(unit: str) -> str:
    return "systemctl disable --now {0}".format(unit)


def _packaged(path: str) -> str:
    """``, package NAME`` for a file that a package brought."""
    if path and shutil.which("dpkg-query"):
        package = output_of(["dpkg-query", "--search", path]).partition(":")[0]
    elif path and shutil.which("rpm"):
        package = output_of(["rpm", "--query", "--file", "--queryformat", "%{NAME}", path])
    else:
        package = ""
    return ", package {0}".format(package.strip()) if package.strip() else ""


def _unit_file(unit: str) -> str:
    return output_of(["systemctl", "show", "--property=FragmentPath", "--value", unit]).strip()


def _program(pid: int) -> str:
    try:
        return os.readlink(str(PROC / str(pid) / "exe"))  # noqa: PTH115 - Python 3.8
    except OSError:
        return ""


def _comm(pid: int) -> str:
    return text_of(str(PROC / str(pid) / "comm")).strip()


def _cgroup(pid: int) -> str:
    """Of a host that is itself a container, below its own."""
    text = text_of(str(PROC / str(pid) / "cgroup"))
    for line in text_of(str(PROC / "1" / "cgroup")).splitlines():
        own = line.rpartition(":")[2].replace("/init.scope", "").rstrip("/")
        if own:
            text = text.replace(":" + own, ":")
    return text
