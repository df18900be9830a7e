# SPDX-License-Identifier: Apache-2.0
"""On which ports SSH answers on the host that this runs on."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Iterator, Set

from .host_commands import output_of, text_of
from .socket_table import parse_tcp

_SSH_SERVERS = ("sshd", "dropbear")


def ssh_ports() -> Set[int]:
    """Found three ways: this task's connection, the sockets of SSH's servers, and sshd's configuration."""
    return listening_ssh_ports() | configured_ssh_ports() | connection_port()


def socket_inodes(pid: int) -> Set[int]:
    """Inodes of a process's sockets."""
    inodes = set()
    for link in Path("/proc/{0}/fd".format(pid)).glob("*"):
        try:
            target = str(link.readlink()) if hasattr(link, "readlink") else os.readlink(str(link))  # noqa: PTH115
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(int(target[8:-1]))
    return inodes


def parent_of(pid: int) -> int:
    """The id of a process's parent, 0 where there is none."""
    found = re.search(r"^PPid:\s+(\d+)$", text_of("/proc/{0}/status".format(pid)), re.MULTILINE)
    return int(found.group(1)) if found else 0


def name_of(pid: int) -> str:
    """The name of a process."""
    return text_of("/proc/{0}/comm".format(pid)).strip()


def ssh_servers() -> Iterator[int]:
    """Ids of the SSH servers themselves; their children only listen on ports that a session forwards."""
    for folder in Path("/proc").iterdir():
        pid = int(folder.name) if folder.name.isdigit() else 0
        if pid and name_of(pid) in _SSH_SERVERS and name_of(parent_of(pid)) not in _SSH_SERVERS:
            yield pid


def listening_ssh_ports() -> Set[int]:
    """Ports that an SSH server listens on, and those that systemd holds for it."""
    inodes = set()
    for pid in ssh_servers():
        inodes |= socket_inodes(pid)
    sockets = parse_tcp(text_of("/proc/net/tcp")) + parse_tcp(text_of("/proc/net/tcp6"))
    ports = {socket.port for socket in sockets if socket.inode in inodes and socket.state == "listen"}
    units = output_of(["systemctl", "show", "ssh.socket", "sshd.socket", "--property=ActiveState,Listen"])
    for unit in units.split("\n\n"):
        if "ActiveState=active" in unit:
            ports |= {int(port) for port in re.findall(r"(\d+) \(Stream\)", unit)}
    return ports


def configured_ssh_ports() -> Set[int]:
    """Ports in sshd's effective configuration."""
    sshd = shutil.which("sshd") or "/usr/sbin/sshd"
    return {int(port) for port in re.findall(r"^port (\d+)$", output_of([sshd, "-T"]), re.MULTILINE)}


def connection_port() -> Set[int]:
    """The local port of the SSH connection that runs this task, found from its ancestors' environment."""
    pid = os.getpid()
    while pid > 1:
        for entry in text_of("/proc/{0}/environ".format(pid)).split("\0"):
            fields = entry[len("SSH_CONNECTION=") :].split()
            if entry.startswith("SSH_CONNECTION=") and len(fields) == 4:
                return {int(fields[3])}
        pid = parent_of(pid)
    return set()
