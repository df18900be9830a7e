# SPDX-License-Identifier: Apache-2.0
"""Rules about the Docker that the host has, and where it keeps its data. No I/O."""

from __future__ import annotations

from typing import Optional

from ..address_plan import summary
from .model import FAIL, OK, WARN, Host, Row, Wanted


def docker(host: Host, _wanted: Wanted) -> Row:
    """Which Docker is there, or why it can't serve."""
    if host.docker_problem:
        return Row("docker", FAIL, "{0} {1}".format(host.docker.kind, host.docker.engine).strip(), host.docker_problem)
    if host.docker.kind == "none":
        return Row("docker", OK, "none yet; it will be installed")
    parts = "{0.engine} ({0.kind}), compose {1}, buildx {2}".format(
        host.docker, host.docker.compose or "to be added", host.docker.buildx or "to be added"
    )
    return Row("docker", OK, parts)


def addresses(host: Host, _wanted: Wanted) -> Row:
    """Whether Docker's networks take ranges that somebody uses, who would then be cut off."""
    found = host.addresses
    if found.problems:
        return Row(
            "docker addresses",
            FAIL,
            "; ".join(found.problems),
            "Set bip and default-address-pools in docker_daemon_settings to ranges that nobody uses, such as "
            "{bip: 10.200.0.1/24, default-address-pools: [{base: 10.201.0.0/16, size: 24}]}.",
        )
    if found.overlaps:
        return Row(
            "docker addresses",
            WARN,
            summary(found.overlaps),
            "If something there can't be reached, set bip and default-address-pools in docker_daemon_settings, and "
            "make the network anew.",
        )
    if found.clashes and found.settings:
        ranges = "; ".join("{0} {1}".format(name, _shown(value)) for name, value in sorted(found.settings.items()))
        return Row("docker addresses", OK, "clear of {0}: {1}".format(summary(found.clashes), ranges))
    return Row("docker addresses", OK, "Docker's own ranges are free")


def _shown(value: object) -> str:
    pools = value if isinstance(value, list) else []
    return ", ".join(str(pool.get("base")) for pool in pools if isinstance(pool, dict)) or str(value)


def daemon_json(host: Host, _wanted: Wanted) -> Optional[Row]:
    """Why Docker's settings can't be read; None where they can."""
    if not host.daemon_json_problem:
        return None
    return Row(
        "daemon.json",
        FAIL,
        host.daemon_json_problem,
        "Correct or remove /etc/docker/daemon.json: Docker can't read it either.",
    )


def data_root(host: Host, wanted: Wanted) -> Optional[Row]:
    """Whether a new data root would hide images; None where it would not."""
    if not wanted.docker_root or not host.docker_has_images or host.docker_root == wanted.docker_root:
        return None
    return Row(
        "docker data",
        WARN,
        "Docker keeps images in {0}; docker_data_root moves it to {1}, where it starts without images".format(
            host.docker_root, wanted.docker_root
        ),
        "Copy {0} there while Docker is stopped, or clear docker_data_root.".format(host.docker_root),
    )
