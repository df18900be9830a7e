# SPDX-License-Identifier: Apache-2.0
"""Rows about the effects of a run on what belongs to others, and those of them that need an agreement. No I/O."""

from __future__ import annotations

from typing import List, Optional

from .effect_model import ClosingPort, Effects, Harm
from .model import OK, WARN, Host, Row, Wanted

# Discovery of names on the local network: closing it harms nobody.
_DISCOVERY = {(5353, "udp"), (5355, "udp"), (5355, "tcp")}


def harms(effects: Effects) -> List[Harm]:
    """What a run does only where somebody has agreed."""
    found = [
        Harm("port {0}".format(port.name), "port {0} closes to the outside: {1}".format(port.name, port.holder))
        for port in effects.ports
        if not _harmless(port)
    ]
    found += [Harm("package {0}".format(name), "package {0} is removed".format(name)) for name in effects.packages]
    found += [
        Harm("container {0.name}".format(one), "container {0.name} is {0.outcome}".format(one))
        for one in effects.containers
    ]
    return found


def ports(host: Host, _wanted: Wanted) -> Optional[Row]:
    """The ports that close; None where none does."""
    closing = host.effects.ports
    if not closing:
        return None
    detail = ", ".join("{0.name}: {0.holder}".format(port) for port in closing)
    if all(_harmless(port) for port in closing):
        return Row("ports that close", OK, detail)
    return Row(
        "ports that close",
        WARN,
        detail,
        "They answer from outside today. To keep them open, set firewall_extra_ports: {0}".format(
            host.effects.keep_ports
        ),
    )


def packages(host: Host, _wanted: Wanted) -> Optional[Row]:
    """The packages that go; None where none does."""
    if not host.effects.packages:
        return None
    return Row(
        "packages that go",
        WARN,
        ", ".join(host.effects.packages),
        "apt removes them in favour of Docker's packages. docker_source chooses others; a Docker that you install "
        "beforehand is kept.",
    )


def containers(host: Host, _wanted: Wanted) -> Optional[Row]:
    """The containers that stop; None where none does."""
    stopping = host.effects.containers
    if not stopping:
        return None
    return Row(
        "containers that stop",
        WARN,
        ", ".join("{0.name} ({0.outcome})".format(one) for one in stopping),
        "Choose a time at which nobody needs them.",
    )


def memory(host: Host, wanted: Wanted) -> List[Row]:
    """One row for each card: what is free, and who of others holds the rest."""
    cards = host.effects.memory
    enough = any(card.free_mib >= wanted.vram_mib[1] for card in cards)
    rows = []
    for card in cards:
        free = "{0:.1f} of {1:.1f} GiB free".format(card.free_mib / 1024, card.total_mib / 1024)
        holders = ["{0} holds {1:.1f}".format(name, mib / 1024) for name, mib in card.holders]
        name, detail = "gpu {0} memory".format(card.index), "; ".join([free, *holders])
        if enough or not holders:
            rows.append(Row(name, OK, detail))
        else:
            cure = "Both engines need {0:.0f} GiB: stop what holds it, or expect that they run out of memory."
            rows.append(Row(name, WARN, detail, cure.format(wanted.vram_mib[1] / 1024)))
    return rows


def _harmless(port: ClosingPort) -> bool:
    return (port.port, port.protocol) in _DISCOVERY
