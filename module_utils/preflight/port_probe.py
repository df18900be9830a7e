# SPDX-License-Identifier: Apache-2.0
"""The owners of the ports that the entries need."""

from __future__ import annotations

import re
from typing import Any, Dict, Mapping, Sequence, Set, Tuple

from ..host_commands import output_of, text_of
from ..socket_table import parse_tcp
from .holder_probe import Holder, holder_of
from .model import PortHolder


def port_holders(ports: Sequence[Mapping[str, Any]]) -> Tuple[PortHolder, ...]:
    """The owner of each required port: one of our containers, another one, or a process.

    ``ports`` are as the option of that name of the module host_survey.
    """
    listening: Dict[int, Set[int]] = {}
    for entry in parse_tcp(text_of("/proc/net/tcp")) + parse_tcp(text_of("/proc/net/tcp6")):
        if entry.state == "listen":
            listening.setdefault(entry.port, set()).add(entry.inode)
    holders = []
    for wanted in ports:
        port = int(wanted["port"])
        listed = output_of(
            ["docker", "ps", "--filter", "publish={0}".format(port), "--format", "{{.Names}}|{{.Image}}"]
        )
        containers = [
            (name, image) for name, bar, image in (line.partition("|") for line in listed.splitlines()) if bar
        ]
        if containers:
            holders.append(_container_holder(port, wanted, containers))
        else:
            inodes = listening.get(port, set())
            holder = holder_of(port, inodes) if inodes else Holder("", "")
            holders.append(PortHolder(port, holder.name, ours=False, cure=holder.cure))
    return tuple(holders)


def _container_holder(port: int, wanted: Mapping[str, Any], containers: Sequence[Tuple[str, str]]) -> PortHolder:
    """The port's holder, given the names and images of the containers that publish it."""
    names = [name for name, _ in containers]
    if names == [wanted["container"]]:
        return PortHolder(port, names[0], ours=True)
    known = wanted.get("taken_over") or {"names": [], "image": "(?!)"}
    yields = all(name in known["names"] or re.search(known["image"], image) for name, image in containers)
    cure = "docker stop " + " ".join(names)
    return PortHolder(port, "container " + ", ".join(names), ours=False, taken_over=yields, cure=cure)
