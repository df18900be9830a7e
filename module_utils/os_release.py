# SPDX-License-Identifier: Apache-2.0
"""The host's operating system, read from os-release(5)."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Dict

_DEBIAN = ("debian", "ubuntu")
_REDHAT = ("rhel", "centos", "fedora")
_DEB_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class OperatingSystem:
    """A distribution as its os-release names it; ``family`` is debian, redhat or other."""

    id: str
    family: str
    version: str
    codename: str
    name: str

    @property
    def major(self) -> int:
        """The first number of the version, 0 for a rolling release."""
        head = self.version.split(".")[0]
        return int(head) if head.isdecimal() else 0


def parse_os_release(text: str) -> OperatingSystem:
    """Read the text of /etc/os-release; missing fields become empty strings."""
    fields: Dict[str, str] = {}
    for line in text.splitlines():
        key, separator, value = line.strip().partition("=")
        if separator and not key.startswith("#"):
            fields[key] = _unquoted(value)
    like = [fields.get("ID", ""), *fields.get("ID_LIKE", "").split()]
    family = "other"
    if any(name in _DEBIAN for name in like):
        family = "debian"
    elif any(name in _REDHAT for name in like):
        family = "redhat"
    return OperatingSystem(
        id=fields.get("ID", ""),
        family=family,
        version=fields.get("VERSION_ID", ""),
        codename=fields.get("VERSION_CODENAME", ""),
        name=fields.get("PRETTY_NAME", fields.get("ID", "unknown")),
    )


def _unquoted(value: str) -> str:
    try:
        return " ".join(shlex.split(value))
    except ValueError:  # an unclosed quotation, which no shell could read, so the text is used as it is
        return value.strip("\"' ")


def deb_architecture(machine: str) -> str:
    """What Debian calls the kernel's ``machine``."""
    return _DEB_ARCHITECTURES.get(machine, machine)
