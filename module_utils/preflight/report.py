# SPDX-License-Identifier: Apache-2.0
"""The report on a host: every rule applied to what the survey found, and the rows as a table. No I/O."""

from __future__ import annotations

from typing import Callable, List, Optional, Tuple

from . import (
    apt_rows,
    docker_rows,
    dockerd_rows,
    effect_rows,
    gpu_rows,
    machine_rows,
    network_rows,
    surroundings_rows,
)
from .model import FAIL, WARN, Host, Row, Wanted

_MACHINE: Tuple[Callable[[Host, Wanted], Optional[Row]], ...] = (
    machine_rows.privileges, machine_rows.system, machine_rows.architecture, machine_rows.kernel, machine_rows.init,
    machine_rows.container, machine_rows.memory, machine_rows.disk, machine_rows.disk_state, machine_rows.clock,
    surroundings_rows.writable, surroundings_rows.room, surroundings_rows.inodes, surroundings_rows.image_store,
    surroundings_rows.cgroups, surroundings_rows.modules, surroundings_rows.mtu,
    network_rows.name_resolution, apt_rows.dpkg, apt_rows.sources, apt_rows.installation,
)  # fmt: skip
_DOCKER: Tuple[Callable[[Host, Wanted], Optional[Row]], ...] = (
    docker_rows.docker, docker_rows.addresses, docker_rows.daemon_json, docker_rows.data_root,
    dockerd_rows.settings, dockerd_rows.units,
)  # fmt: skip

_EFFECTS: Tuple[Callable[[Host, Wanted], Optional[Row]], ...] = (
    effect_rows.ports, effect_rows.packages, effect_rows.containers,
)  # fmt: skip


def judge(host: Host, wanted: Wanted) -> List[Row]:
    """All rows of the report, in the order for the reader; accepted failures become warnings."""
    rows = [rule(host, wanted) for rule in _MACHINE]
    rows += [network_rows.source(source, host) for source in host.sources]
    rows += [network_rows.port(holder) for holder in host.ports]
    rows += [rule(host, wanted) for rule in _DOCKER]
    if wanted.gpu:
        rows += [gpu_rows.driver(host, wanted), *gpu_rows.cards(host), gpu_rows.vram(host, wanted), gpu_rows.xids(host)]
        rows += effect_rows.memory(host, wanted)
    rows += [rule(host, wanted) for rule in _EFFECTS]
    return [_accept(row, wanted) for row in rows if row is not None]


def render(rows: List[Row]) -> str:
    """The report as a table for people."""
    width = max(len(row.name) for row in rows)
    lines = []
    for row in rows:
        lines.append("{0:<4}  {1:<{2}}  {3}".format(row.status, row.name, width, row.detail))
        if row.cure:
            lines.append("{0:<4}  {0:<{1}}  -> {2}".format("", width, row.cure))
    return "\n".join(lines)


def _accept(row: Row, wanted: Wanted) -> Row:
    if row.status == FAIL and row.name in wanted.accepted:
        return Row(row.name, WARN, row.detail + " (accepted in preflight_accept)", row.cure)
    return row
