# SPDX-License-Identifier: Apache-2.0
"""What the machine is and has: memory, file systems, rights, firmware and the kernel's messages."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

from ..host_commands import output_of, text_of

_MIB = 1024 * 1024


def memory_mib() -> int:
    """Memory of the host, or its limit if it is a container; 0 where the kernel reports none."""
    found = re.search(r"MemTotal:\s+(\d+) kB", text_of("/proc/meminfo"))
    total = int(found.group(1)) // 1024 if found else 0
    limit = (
        text_of("/sys/fs/cgroup/memory.max").strip() or text_of("/sys/fs/cgroup/memory/memory.limit_in_bytes").strip()
    )
    return min(total, int(limit) // _MIB) if limit.isdigit() else total


def free_mib(path: str) -> int:
    """Free space on the file system that ``path`` is or will be on."""
    return shutil.disk_usage(existing(path)).free // _MIB


def device_of(path: str) -> int:
    """The file system that ``path`` is or will be on."""
    return os.stat(existing(path)).st_dev  # noqa: PTH116 - a string, for shutil's sake on Python 3.8


def existing(path: str) -> str:
    """The nearest folder to ``path`` that is there."""
    place = Path(path)
    while not place.exists():
        place = place.parent
    return str(place)


def container_kind() -> str:
    """The kind of container that the host itself is, "" for a real or virtual machine."""
    kind = output_of(["systemd-detect-virt", "--container"]).strip()
    if kind and kind != "none":
        return kind
    for entry in text_of("/proc/1/environ").split("\0"):
        if entry.startswith("container="):
            return entry[len("container=") :]
    return "docker" if Path("/.dockerenv").exists() else ""


def capabilities() -> int:
    """The effective capabilities of this process, as the kernel's bit mask."""
    found = re.search(r"^CapEff:\s+([0-9a-f]+)$", text_of("/proc/self/status"), re.MULTILINE)
    return int(found.group(1), 16) if found else 0


def kernel_log() -> str:
    """The kernel's messages since the last boot; those of NVIDIA's driver only where journald can filter."""
    return output_of(["journalctl", "--dmesg", "--boot", "--no-pager", "--quiet", "--grep", "NVRM"]) or output_of(
        ["dmesg"]
    )


def secure_boot() -> bool:
    """Whether the firmware accepts signed code only; the flag is the fifth byte of its variable."""
    for path in Path("/sys/firmware/efi/efivars").glob("SecureBoot-*"):
        return path.read_bytes()[4:5] == b"\x01"
    return False


def daemon_json_problem() -> str:
    """Why Docker's settings can't be read, "" where they can or there are none."""
    text = text_of("/etc/docker/daemon.json")
    if not text.strip():
        return ""
    try:
        json.loads(text)
    except ValueError as error:
        return "not valid JSON: {0}".format(error)
    return ""
