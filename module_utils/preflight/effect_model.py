# SPDX-License-Identifier: Apache-2.0
"""What a run would do to things of others that it found on the host. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple


@dataclass(frozen=True)
class ClosingPort:
    """A port that answers from outside and will not once the firewall is up; ``holder`` is who answers."""

    port: int
    protocol: str
    holder: str

    @property
    def name(self) -> str:
        """For people and inventories: 8080, or 51820/udp."""
        return str(self.port) if self.protocol == "tcp" else "{0.port}/{0.protocol}".format(self)


@dataclass(frozen=True)
class StoppingContainer:
    """A container that will be stopped; ``outcome`` says why and what becomes of it."""

    name: str
    outcome: str


@dataclass(frozen=True)
class CardMemory:
    """Memory of one GPU in MiB, and who of others holds how much of it; ``free_mib`` includes what our engines hold."""

    index: int
    total_mib: int
    free_mib: int
    holders: Tuple[Tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Effects:
    """All of them; ``keep_ports`` is the inventory's line with which no port closes."""

    ports: Tuple[ClosingPort, ...] = ()
    keep_ports: str = ""
    packages: Tuple[str, ...] = ()
    containers: Tuple[StoppingContainer, ...] = ()
    memory: Tuple[CardMemory, ...] = ()


@dataclass(frozen=True)
class Harm:
    """One effect that needs an agreement: its name for ``preflight_accept_effects``, and a sentence about it."""

    name: str
    sentence: str
