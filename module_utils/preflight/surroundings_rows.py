# SPDX-License-Identifier: Apache-2.0
"""Rules about the file systems, the kernel and the links that Docker will stand on. No I/O."""

from __future__ import annotations

from typing import Optional

from .model import FAIL, OK, WARN, Host, Row, Wanted
from .surroundings import Place

# Packages and their lists; images and state have rows of their own, and elsewhere little is written.
_SYSTEM = ("/", "/usr", "/var", "/var/lib", "/var/cache")
_LEAST_MIB, _COMFORTABLE_MIB, _LITTLE_MIB = 300, 1024, 20
# An image of an engine has about a hundred thousand files.
_LEAST_INODES, _COMFORTABLE_INODES = 20_000, 250_000
# Docker's layers need rename, hard links, owners and extended attributes, which none of these has in full.
_UNFIT = (
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "vfat",
    "exfat",
    "ntfs",
    "ntfs3",
    "fuseblk",
    "9p",
    "ecryptfs",
    "ceph",
    "lustre",
)
_USUAL_MTU = 1500


def writable(host: Host, _wanted: Wanted) -> Row:
    """Whether the run can write where it has to."""
    stuck = [place.path for place in host.surroundings.places if place.read_only]
    if not stuck:
        return Row("file systems", OK, "writable")
    return Row(
        "file systems",
        FAIL,
        "read-only: " + ", ".join(stuck),
        "Look into `dmesg`: the kernel switches a failing disk to read-only. Repair it, or rent another server.",
    )


def room(host: Host, _wanted: Wanted) -> Row:
    """Whether there is room for packages and our own files, however large the disk for images is."""
    for place in host.surroundings.places:
        if place.path not in _SYSTEM and place.free_mib < _LITTLE_MIB:
            detail = "{0} MiB free in {1}".format(place.free_mib, place.path)
            return Row("room", FAIL, detail, "Delete what is not needed in {0}.".format(place.path))
    system = [place for place in host.surroundings.places if place.path in _SYSTEM]
    tight = min(system, key=lambda place: place.free_mib, default=Place("/", free_mib=_COMFORTABLE_MIB))
    detail = "{0} MiB free in {1}".format(tight.free_mib, tight.path)
    cure = "Make room, for example with `apt-get clean` and `journalctl --vacuum-size=100M`."
    if tight.free_mib < _LEAST_MIB:
        return Row("room", FAIL, "{0}, at least {1} needed".format(detail, _LEAST_MIB), cure)
    if tight.free_mib < _COMFORTABLE_MIB:
        return Row("room", WARN, "{0}, {1} recommended".format(detail, _COMFORTABLE_MIB), cure)
    return Row("room", OK, detail)


def inodes(host: Host, wanted: Wanted) -> Optional[Row]:
    """Whether files can still be made; None where there are plenty, or no limit."""
    for place in (*host.surroundings.places, host.surroundings.images):
        if not 0 <= place.free_inodes < _COMFORTABLE_INODES:
            continue
        few = place.free_inodes < (_LEAST_INODES if wanted.gpu else _LEAST_INODES // 4)
        detail = "only {0} more files can be made in {1}".format(place.free_inodes, place.path)
        cure = "Delete many small files (`du --inodes -x {0} | sort -n | tail` finds them), or use a larger disk."
        return Row("inodes", FAIL if few and not host.deployed else WARN, detail, cure.format(place.path))
    return None


def image_store(host: Host, _wanted: Wanted) -> Optional[Row]:
    """Whether Docker can keep images where it shall; None where it can."""
    place = host.surroundings.images
    cure = "Set docker_data_root to a folder on a disk with ext4 or xfs."
    if place.kind in _UNFIT or place.kind.startswith("fuse."):
        return Row("image store", FAIL, "{0} is on {1}, which can't hold images".format(place.path, place.kind), cure)
    if place.kind == "overlay":
        detail = "{0} is on an overlay, on which Docker copies every layer in full".format(place.path)
        return Row("image store", WARN, detail, cure)
    return None


def cgroups(host: Host, _wanted: Wanted) -> Optional[Row]:
    """Whether the kernel can hold containers; None where it can."""
    found = host.surroundings
    if found.cgroups == 0:
        return Row(
            "cgroups", FAIL, "none are mounted, so Docker can't start", "Rent a server with systemd and cgroups."
        )
    if not found.memory_limits:
        return Row(
            "cgroups",
            WARN,
            "the memory controller is off, so containers have no memory limits",
            "Add cgroup_enable=memory to the kernel's command line and reboot.",
        )
    return None


def modules(host: Host, _wanted: Wanted) -> Optional[Row]:
    """Whether the running kernel's modules are there; None where they are."""
    release = host.surroundings.lost_modules
    if not release:
        return None
    return Row(
        "kernel modules",
        FAIL,
        "those of the running kernel {0} are gone, which Docker needs".format(release),
        "An upgrade removed them: reboot into the new kernel, then run this again.",
    )


def mtu(host: Host, _wanted: Wanted) -> Optional[Row]:
    """Whether containers send what the link can carry; None on a usual link."""
    found = host.surroundings
    if not 0 < found.mtu < _USUAL_MTU:
        return None
    return Row("mtu", OK, "{0} carries {1} bytes; Docker is told so".format(found.link, found.mtu))
