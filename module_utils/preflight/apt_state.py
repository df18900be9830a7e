# SPDX-License-Identifier: Apache-2.0
"""What was found out about a host's packages before any is installed. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple

from ..apt_messages import Fault


@dataclass(frozen=True)
class AptState:
    """What apt and dpkg would do; empty where nothing has to be installed or there is no apt.

    Args:
        asked: whether the sources were asked.
        wanted: packages whose installation was tried without changing anything.
        lock_holder: the program that works with packages now.
        interrupted: whether dpkg refuses all work until it is told to go on.
        damage: why dpkg can't read its own database, "" where it can.
        broken: packages that dpkg could not configure or install.
        unfinished: packages that are unpacked and will be configured along with ours.
        frozen: files that a package has to change and that are marked immutable.
        unread: sources that can't be read.
        refusals: why packages can't be installed.
        problem: why nothing could be tried, "" where it was.
    """

    asked: bool = False
    wanted: Tuple[str, ...] = ()
    lock_holder: str = ""
    interrupted: bool = False
    damage: str = ""
    broken: Tuple[str, ...] = ()
    unfinished: Tuple[str, ...] = ()
    frozen: Tuple[str, ...] = ()
    unread: Tuple[Fault, ...] = ()
    refusals: Tuple[Fault, ...] = ()
    problem: str = ""
