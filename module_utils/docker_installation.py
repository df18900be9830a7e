# SPDX-License-Identifier: Apache-2.0
"""Which Docker a host has and which packages it lacks: rules only, no I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Dict, List, Tuple

from .os_release import OperatingSystem

CE_ENGINE = ("docker-ce", "docker-ce-cli", "containerd.io")
CE_PLUGINS = ("docker-buildx-plugin", "docker-compose-plugin")
_DEBIAN_ENGINE = ("docker.io", "docker-cli")
_DEBIAN_PLUGINS = ("docker-buildx", "docker-compose")
_UBUNTU_ENGINE = ("docker.io",)
_UBUNTU_PLUGINS = ("docker-buildx", "docker-compose-v2")


class UnusableDockerError(Exception):
    """The host's Docker, or the requested source of one, can't be used; the text says what to do."""


@dataclass(frozen=True)
class Docker:
    """The Docker of a host: its kind (none, snap, podman, ce, distribution, other) and versions, "" where missing."""

    kind: str = "none"
    engine: str = ""
    compose: str = ""
    buildx: str = ""


@dataclass(frozen=True)
class Plan:
    """What to do: ``source`` is existing, ce or distribution; ``packages`` are those that the host must have."""

    source: str
    packages: Tuple[str, ...]


def version_tuple(version: str) -> Tuple[int, ...]:
    """The leading dotted numbers of a version: ``v2.26.1-4`` is (2, 26, 1); () where there are none."""
    match = re.search(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in match.group().split(".")) if match else ()


def parse_dpkg(text: str) -> Dict[str, str]:
    """Installed packages and versions from ``dpkg-query -W -f '${db:Status-Abbrev}\\t${Package}\\t${Version}\\n'``."""
    rows = (line.split("\t") for line in text.splitlines())
    # The first letter is what is wanted: a package that is held back ("hi") is installed as well.
    return {row[1]: row[2] for row in rows if len(row) == 3 and row[0][1:2] == "i"}


def parse_rpm(text: str) -> Dict[str, str]:
    """Installed packages and versions from ``rpm -qa --qf '%{NAME}\\t%{EVR}\\n'``."""
    rows = (line.split("\t") for line in text.splitlines())
    return {row[0]: row[1] for row in rows if len(row) == 2}


def classify(installed: Dict[str, str], executable: str) -> str:
    """Determine a Docker's source by its packages and its resolved ``docker`` program."""
    if executable.startswith("/snap/") or executable.endswith("/snap"):
        return "snap"
    if "docker-ce" in installed:
        return "ce"
    if "docker.io" in installed or "moby-engine" in installed:
        return "distribution"
    if "podman-docker" in installed or executable.endswith("/podman"):
        return "podman"
    return "other" if executable else "none"


def engine_packages() -> Tuple[str, ...]:
    """The packages of every source whose exchange stops or restarts dockerd or containerd."""
    return (*CE_ENGINE, *_DEBIAN_ENGINE, *_UBUNTU_ENGINE)


def distribution_packages(system: OperatingSystem) -> Tuple[Tuple[str, ...], Tuple[str, ...]]:
    """Engine and plugin packages of the distribution's own archive; empty where it has no compose v2."""
    if system.id == "debian" and (system.major >= 13 or not system.version):
        return _DEBIAN_ENGINE, _DEBIAN_PLUGINS
    if system.id == "ubuntu" and system.major >= 22:
        return _UBUNTU_ENGINE, _UBUNTU_PLUGINS
    return (), ()


def choose(wanted: str, system: OperatingSystem, found: Docker, minimum: Dict[str, str]) -> Plan:
    """Decide where Docker comes from.

    ``wanted`` is auto, ce, distribution or existing; ``minimum`` has versions of engine, compose and buildx.
    A working engine is never replaced under ``auto``: only the plugins it lacks are added to it.

    Raises:
        UnusableDockerError: nothing can be installed or kept; its text names the variable or the action.
    """
    _refuse_unusable(found)
    lacking = _shortcomings(found, minimum)
    if not lacking and wanted in ("auto", "existing"):
        return Plan("existing", ())
    if wanted == "existing":
        raise UnusableDockerError(
            "docker_source is 'existing', but this host's Docker is not usable: {0}. Upgrade it, or set "
            "docker_source to 'auto'.".format("; ".join(lacking))
        )
    source = _source(wanted, system, found)
    engine, plugins = (CE_ENGINE, CE_PLUGINS) if source == "ce" else distribution_packages(system)
    engine_is_good = wanted == "auto" and not any(text.startswith("engine") for text in lacking)
    return Plan(source, plugins if engine_is_good else engine + plugins)


def missing(packages: Tuple[str, ...], installed: Dict[str, str], pins: Dict[str, str]) -> List[str]:
    """The packages to install, as NAME or NAME=VERSION; [] when all are installed in the right version."""
    requested = []
    for name in packages:
        pin = pins.get(name, "")
        if name not in installed or (pin and installed[name] != pin):
            requested.append("{0}={1}".format(name, pin) if pin else name)
    return requested


def _refuse_unusable(found: Docker) -> None:
    if found.kind == "snap":
        raise UnusableDockerError(
            "Docker was installed as a snap, which can use neither the GPU runtime nor our folders. Remove it with "
            "'snap remove docker' (this deletes its images and containers), then run this again."
        )
    if found.kind == "podman":
        raise UnusableDockerError(
            "The 'docker' command of this host is Podman. Remove the package podman-docker, then run this again."
        )


def _shortcomings(found: Docker, minimum: Dict[str, str]) -> List[str]:
    lacking = []
    for part in ("engine", "compose", "buildx"):
        has, least = version_tuple(getattr(found, part)), version_tuple(minimum[part])
        if has < least:
            lacking.append("{0} {1} is older than {2}".format(part, getattr(found, part) or "(none)", minimum[part]))
    return lacking


def _source(wanted: str, system: OperatingSystem, found: Docker) -> str:
    has_own = bool(distribution_packages(system)[0])
    if wanted == "distribution" and not has_own:
        raise UnusableDockerError(
            "docker_source is 'distribution', but {0} has no Docker with compose v2 in its archive. Set docker_source "
            "to 'ce' or 'auto'.".format(system.name)
        )
    if wanted == "distribution":
        return wanted
    if wanted == "auto" and found.kind != "ce" and has_own:
        return "distribution"
    if system.family == "other":
        raise UnusableDockerError(
            "{0} belongs neither to the Debian nor to the RHEL family: install Docker with compose v2 by hand and set "
            "docker_source to 'existing'.".format(system.name)
        )
    return "ce"
