# SPDX-License-Identifier: Apache-2.0
"""Taking the record of the host that this runs on."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from pathlib import Path
from typing import Any, Dict, Iterator

from .docker_probe import installed_packages
from .host_commands import output_of, text_of
from .host_record import Record
from .socket_table import parse_tcp, parse_udp

_UNIT_TYPES = "--type=service,socket,timer,path,mount"
# Units of other states run when something asks them to.
_SETTLED = ("enabled", "disabled", "masked")
# Where roles write besides folders of our own, as patterns below the root.
PLACES = (
    "etc/docker", "etc/docker/*", "etc/apt/sources.list", "etc/apt/sources.list.d/*", "etc/apt/keyrings/*",
    "etc/apt/trusted.gpg.d/*", "etc/yum.repos.d/*", "etc/systemd/system/*", "etc/systemd/system/docker.service.d/*",
    "etc/systemd/system/*.wants/*", "etc/udev/rules.d/*", "etc/nftables.conf", "etc/ufw/*", "etc/default/ufw",
    "etc/firewalld/zones/*", "etc/nvidia-container-runtime/*", "etc/ssl/certs/ca-certificates.crt",
    "etc/pki/ca-trust/source/anchors/*", "usr/local/share/ca-certificates/*", "usr/local/bin/*", "etc/cron.d/*",
    "etc/sysctl.d/*", "etc/modules-load.d/*", "etc/modprobe.d/*",
)  # fmt: skip
# What counts something, or belongs to an interface that comes and goes.
_VOLATILE = re.compile(
    r"(^|/)(random|pty|neigh|sched_domain|cdrom|sunrpc|quota)(/|$)|conf/(?!all/|default/)|-nr$|-state$|_count$|_pid$|/flush$"
    r"|cookies|stable_secret|tainted|cad_pid|perf_event_max_sample_rate|keys/|/mtu_expires|usermodehelper|printk_"
)
_SYSCTLS = Path("/proc/sys")
_SECONDS = 30


def take_record(root: str = "/") -> Record:
    """The record, with files of the folder ``root``."""
    return {
        "packages": dict(installed_packages()),
        "units": _units(),
        "containers": _containers(),
        "networks": _networks(),
        "ports": _ports(),
        "sysctls": _sysctls(),
        "files": _files(Path(root)),
    }


def _units() -> Dict[str, Any]:
    listed = output_of(["systemctl", "list-unit-files", "--no-legend", "--plain", _UNIT_TYPES], seconds=_SECONDS)
    enabled = {line.split()[0]: line.split()[1] for line in listed.splitlines() if len(line.split()) > 1}
    states = output_of(["systemctl", "list-units", "--all", "--no-legend", "--plain", _UNIT_TYPES], seconds=_SECONDS)
    active = {line.split()[0]: line.split()[2] for line in states.splitlines() if len(line.split()) > 2}
    found: Dict[str, Any] = {}
    for name, state in enabled.items():
        found[name] = {"enabled": state}
        if state in _SETTLED:
            found[name]["active"] = active.get(name) == "active"
    return found


def _containers() -> Dict[str, Any]:
    numbers = output_of(["docker", "ps", "--all", "--quiet", "--no-trunc"], seconds=_SECONDS).split()
    form = "{{.Name}}|{{.Id}}|{{.Config.Image}}|{{.State.Status}}|{{.HostConfig.RestartPolicy.Name}}"
    lines = output_of(["docker", "inspect", "--format", form, *numbers], seconds=_SECONDS) if numbers else ""
    rows = [line.split("|") for line in lines.splitlines()]
    return {
        row[0].lstrip("/"): {"id": row[1][:12], "image": row[2], "status": row[3], "restart": row[4]}
        for row in rows
        if len(row) == 5
    }


def _networks() -> Dict[str, Any]:
    names = output_of(["docker", "network", "ls", "--quiet"], seconds=_SECONDS).split()
    form = "{{.Name}}|{{.Driver}}|{{range .IPAM.Config}}{{.Subnet}} {{end}}"
    lines = output_of(["docker", "network", "inspect", "--format", form, *names], seconds=_SECONDS) if names else ""
    rows = [line.split("|") for line in lines.splitlines()]
    return {row[0]: {"driver": row[1], "ranges": row[2].split()} for row in rows if len(row) == 3}


def _ports() -> Dict[str, Any]:
    """What listens, but for the ports that the kernel hands out by itself."""
    first_own = int((text_of("/proc/sys/net/ipv4/ip_local_port_range").split() or ["32768"])[0])
    found = {}
    for name in ("tcp", "tcp6", "udp", "udp6"):
        text = text_of("/proc/net/" + name)
        for socket in parse_tcp(text) if name.startswith("tcp") else parse_udp(text):
            if socket.state != "established" and socket.port < first_own:
                found["{0.address} {0.port}/{1}".format(socket, name[:3])] = name[:3]
    return found


def _sysctls() -> Dict[str, Any]:
    found = {}
    for folder, _folders, names in os.walk(str(_SYSCTLS)):
        for name in names:
            path = Path(folder) / name
            key = str(path.relative_to(_SYSCTLS))
            if not _VOLATILE.search(key):
                found[key] = text_of(str(path), limit=4096).strip()
    return found


def _files(root: Path) -> Dict[str, Any]:
    return {str(path): _file(path) for place in PLACES for path in _under(root, place)}


def _under(root: Path, place: str) -> Iterator[Path]:
    return root.glob(place)


def _file(path: Path) -> Dict[str, Any]:
    """Kind, rights, owner, and a checksum or where a link leads; the content itself may be a secret."""
    facts = path.lstat()
    found = {"mode": oct(stat.S_IMODE(facts.st_mode)), "owner": "{0}:{1}".format(facts.st_uid, facts.st_gid)}
    if stat.S_ISLNK(facts.st_mode):
        return {"link": os.readlink(str(path))}  # noqa: PTH115 - Python 3.8
    if stat.S_ISDIR(facts.st_mode):
        return dict(found, kind="folder")
    if not stat.S_ISREG(facts.st_mode):
        return dict(found, kind="other")
    return dict(found, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
