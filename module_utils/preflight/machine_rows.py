# SPDX-License-Identifier: Apache-2.0
"""Rules about the machine itself: its system, its resources and its clock. No I/O."""

from __future__ import annotations

from typing import Optional, Tuple

from ..docker_installation import version_tuple
from .model import FAIL, OK, WARN, Host, Row, Wanted

_CAP_NET_ADMIN, _CAP_SYS_ADMIN = 12, 21
_OLDEST_KERNEL = (4, 18)
_CLOCK_TOLERANCE_S = 120
_TESTED = {("debian", 12), ("debian", 13)}
_SUPPORTED = {("ubuntu", 22), ("ubuntu", 24), ("rhel", 9), ("rocky", 9), ("almalinux", 9), ("centos", 9)}


def privileges(host: Host, _wanted: Wanted) -> Row:
    """Whether the tasks run as root."""
    if host.is_root:
        return Row("privileges", OK, "root")
    return Row(
        "privileges",
        FAIL,
        "not root",
        "Log in as root, or as a user with sudo (ansible_user, ansible_become_password).",
    )


def system(host: Host, _wanted: Wanted) -> Row:
    """Whether the distribution is known."""
    known = (host.system.id, host.system.major)
    if known in _TESTED:
        return Row("system", OK, host.system.name)
    if known in _SUPPORTED:
        return Row("system", OK, "{0} (supported; see docs/platforms.md for what was tested)".format(host.system.name))
    if host.system.family == "other":
        return Row(
            "system",
            FAIL,
            "{0} is not supported".format(host.system.name),
            "Choose Debian 12 or 13, or Ubuntu 22.04 or 24.04.",
        )
    return Row(
        "system",
        WARN,
        "{0} has not been tested".format(host.system.name),
        "Debian 12 or 13 and Ubuntu 22.04 or 24.04 are tested.",
    )


def architecture(host: Host, wanted: Wanted) -> Row:
    """Whether the engines' images exist for the processor."""
    if host.architecture == "x86_64":
        return Row("architecture", OK, host.architecture)
    if wanted.gpu:
        return Row(
            "architecture",
            FAIL,
            host.architecture + ": the video engine's image is amd64 only",
            "Rent an x86-64 server.",
        )
    return Row(
        "architecture", WARN, host.architecture + " runs the preview only", "For real engines rent an x86-64 server."
    )


def kernel(host: Host, _wanted: Wanted) -> Row:
    """Whether the kernel has what the firewall needs."""
    if version_tuple(host.kernel) < _OLDEST_KERNEL:
        return Row(
            "kernel", FAIL, "Linux {0} is too old for the firewall".format(host.kernel), "Choose a newer system image."
        )
    if "microsoft" in host.kernel.lower():
        return Row("kernel", WARN, "WSL: suitable for tests only", "Rent a Linux server for real use.")
    return Row("kernel", OK, "Linux " + host.kernel)


def init(host: Host, _wanted: Wanted) -> Row:
    """Whether systemd runs the host."""
    if host.init == "systemd":
        return Row("init", OK, "systemd")
    return Row(
        "init",
        FAIL,
        "process 1 is {0}, not systemd".format(host.init or "unknown"),
        "Rent a virtual machine instead of a container.",
    )


def container(host: Host, _wanted: Wanted) -> Row:
    """Whether a host that is itself a container may run Docker."""
    if not host.container:
        return Row("container", OK, "a real or virtual machine")
    needed = (1 << _CAP_NET_ADMIN) | (1 << _CAP_SYS_ADMIN)
    if host.capabilities & needed == needed:
        detail = "the server is itself a container ({0}), with the rights it needs".format(host.container)
        return Row("container", WARN, detail, "If Docker does not start in it, rent a virtual machine.")
    return Row(
        "container",
        FAIL,
        "the server is itself a container ({0}) and can run neither Docker nor a firewall".format(host.container),
        "Rent a virtual machine or a whole server; a 'GPU container' is not enough.",
    )


def memory(host: Host, wanted: Wanted) -> Row:
    """Whether there is enough memory."""
    return _amount("memory", host.memory_mib, wanted.memory_mib, "of memory", "Rent a server with more memory.")


def disk(host: Host, wanted: Wanted) -> Row:
    """Whether there is enough space for images."""
    limits = wanted.disk_deployed_mib if host.deployed else wanted.disk_mib
    cure = "Rent a larger disk, or put Docker's data on another one with docker_data_root."
    return _amount("disk", host.disk_free_mib, limits, "free for {0}".format(host.disk_path), cure)


def disk_state(host: Host, wanted: Wanted) -> Optional[Row]:
    """Whether there is enough space for state; None if it is on the same file system."""
    if not host.state_path:
        return None
    limits = wanted.disk_deployed_mib if host.deployed else wanted.disk_state_mib
    cure = "Rent a larger disk, or put voices, models and media on another one with twinport_state_dir."
    return _amount("disk for state", host.state_free_mib, limits, "free for {0}".format(host.state_path), cure)


def clock(host: Host, _wanted: Wanted) -> Row:
    """Whether the host's clock agrees with the control machine's."""
    if abs(host.clock_offset_s) <= _CLOCK_TOLERANCE_S:
        return Row("clock", OK, "accurate to {0:.0f} s".format(max(1.0, abs(host.clock_offset_s))))
    detail = "{0:.0f} s {1} the control machine".format(
        abs(host.clock_offset_s), "ahead of" if host.clock_offset_s > 0 else "behind"
    )
    return Row(
        "clock",
        WARN,
        detail,
        "Set the clock (timedatectl set-ntp true): certificates and signatures fail with a wrong one.",
    )


def _amount(name: str, has: int, limits: Tuple[int, int], what: str, cure: str) -> Row:
    detail = "{0:.1f} GiB {1}".format(has / 1024, what)
    if has < limits[0]:
        return Row(name, FAIL, "{0}, at least {1:.0f} needed".format(detail, limits[0] / 1024), cure)
    if has < limits[1]:
        return Row(name, WARN, "{0}, {1:.0f} recommended".format(detail, limits[1] / 1024), cure)
    return Row(name, OK, detail)
