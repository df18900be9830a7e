# SPDX-License-Identifier: Apache-2.0
"""The file systems, the kernel and the links that Docker will stand on."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from typing import Dict, Sequence, Tuple

from ..host_commands import text_of
from ..link_mtu import outer_mtu
from .machine_probe import container_kind, existing
from .surroundings import Place, Surroundings

_MIB = 1024 * 1024
# Where packages, their lists, our units and temporary files go.
_SYSTEM = ("/", "/etc", "/usr", "/var", "/var/lib", "/var/cache", "/var/tmp", "/tmp")  # noqa: S108 - only looked at


def ask_surroundings(images: str, root: str, state_dir: str) -> Surroundings:
    """What Docker will stand on.

    Args:
        images: the folder of Docker's images.
        root: the deployment's folder.
        state_dir: the folder of voices, models and media.
    """
    link, mtu = outer_mtu()
    cgroups = Path("/sys/fs/cgroup")
    unified = (cgroups / "cgroup.controllers").exists()
    limits = (
        text_of(str(cgroups / "cgroup.controllers")).split() if unified else [path.name for path in cgroups.glob("*")]
    )
    return Surroundings(
        places=places([*_SYSTEM, root, state_dir]),
        images=place(images),
        cgroups=2 if unified else 1 if (cgroups / "cpu").exists() or (cgroups / "memory").exists() else 0,
        memory_limits="memory" in limits,
        lost_modules=_lost_modules(),
        link=link,
        mtu=mtu,
    )


def places(paths: Sequence[str]) -> Tuple[Place, ...]:
    """The file systems of folders, each once, under the first folder that lies on it."""
    found: Dict[int, Place] = {}
    for path in paths:
        device = Path(existing(path)).stat().st_dev
        if device not in found:
            found[device] = place(path)
    return tuple(found.values())


def place(path: str) -> Place:
    """The file system that a folder is or will be on."""
    there = existing(path)
    answer = os.statvfs(there)
    return Place(
        path=path,
        kind=kind_of(there, text_of("/proc/self/mountinfo")),
        free_mib=answer.f_bavail * answer.f_frsize // _MIB,
        # btrfs and some network file systems count none.
        free_inodes=answer.f_favail if answer.f_files else -1,
        read_only=bool(answer.f_flag & os.ST_RDONLY),
    )


def kind_of(path: str, mounts: str) -> str:
    """The kernel's name for the file system of a folder, "" where it is not known.

    Args:
        path: an existing folder.
        mounts: text of ``/proc/self/mountinfo``.
    """
    real = os.path.realpath(path)
    best, kind = "", ""
    for line in mounts.splitlines():
        before, _dash, after = line.partition(" - ")
        words = before.split()
        if len(words) < 5 or not after:
            continue
        point = re.sub(r"\\(\d{3})", lambda octal: chr(int(octal.group(1), 8)), words[4])
        if (real + "/").startswith(point.rstrip("/") + "/") and len(point) >= len(best):
            best, kind = point, after.split()[0]
    return kind


def _lost_modules() -> str:
    """The running kernel's release if it could load nothing more and has not what Docker needs."""
    release = platform.release()
    there = any((Path(folder) / release).exists() for folder in ("/lib/modules", "/usr/lib/modules"))
    # A kernel without modules at all has everything built in; a container's modules are its host's matter.
    modular = bool(text_of("/proc/modules").strip())
    if there or not modular or container_kind() or "overlay" in text_of("/proc/filesystems").split():
        return ""
    return release
