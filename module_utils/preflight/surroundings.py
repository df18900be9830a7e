# SPDX-License-Identifier: Apache-2.0
"""What was found out about the file systems, the kernel and the links that Docker will stand on. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple


@dataclass(frozen=True)
class Place:
    """A folder that the run writes to.

    Args:
        path: the folder.
        kind: its file system, as the kernel calls it.
        free_mib: free space in MiB.
        free_inodes: files that can still be made; -1 where the file system has no limit.
        read_only: whether it is mounted so.
    """

    path: str
    kind: str = ""
    free_mib: int = 0
    free_inodes: int = -1
    read_only: bool = False


@dataclass(frozen=True)
class Surroundings:
    """The places and the kernel.

    Args:
        places: folders that the run writes to, one for each file system.
        images: where Docker keeps its images.
        cgroups: 2 or 1; 0 where none are mounted.
        memory_limits: whether the kernel can limit the memory of containers.
        lost_modules: the kernel's release where its modules are gone and Docker's were not loaded before; "" otherwise.
        link: the interface with the smallest MTU that leads outside.
        mtu: that MTU in bytes; 0 where none is known.
    """

    places: Tuple[Place, ...] = ()
    images: Place = Place("")
    cgroups: int = 2
    memory_limits: bool = True
    lost_modules: str = ""
    link: str = ""
    mtu: int = 0
