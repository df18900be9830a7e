# SPDX-License-Identifier: Apache-2.0
"""What a survey of a host found, what is required of it, and one row of the report. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Tuple

from ..address_plan import Plan
from ..docker_installation import Docker
from ..nvidia_cards import Cards
from ..os_release import OperatingSystem
from .apt_state import AptState
from .dockerd_state import DockerdState
from .effect_model import Effects
from .surroundings import Surroundings

OK, WARN, FAIL = "ok", "warn", "fail"


@dataclass(frozen=True)
class Row:
    """One line of the report. ``cure`` names the variable or the action; it is empty for an ok row."""

    name: str
    status: str
    detail: str
    cure: str = ""


@dataclass(frozen=True)
class Probe:
    """One address that was checked: the ``problem`` is "" when it answered, after ``milliseconds``."""

    url: str
    milliseconds: int = 0
    problem: str = ""


@dataclass(frozen=True)
class Source:
    """A place that something is fetched from: its probes, any one of which will do, and what to set where none does."""

    name: str
    probes: Tuple[Probe, ...]
    required: bool
    cure: str


@dataclass(frozen=True)
class PortHolder:
    """Who listens on a port: ``ours``, our own gateway; ``taken_over``, something that the run will stop.

    ``cure``: the command that frees the port, where one is known.
    """

    port: int
    holder: str
    ours: bool
    taken_over: bool = False
    cure: str = ""


@dataclass(frozen=True)
class Host:
    """What the survey found. Sizes in MiB; ``clock_offset_s`` is the host's clock minus the control machine's."""

    system: OperatingSystem
    architecture: str
    kernel: str
    init: str
    container: str
    capabilities: int
    is_root: bool
    memory_mib: int
    disk_path: str
    disk_free_mib: int
    clock_offset_s: float
    deployed: bool
    docker: Docker
    docker_problem: str
    docker_root: str
    docker_has_images: bool
    daemon_json_problem: str
    ports: Tuple[PortHolder, ...] = ()
    sources: Tuple[Source, ...] = ()
    addresses: Plan = field(default_factory=Plan)
    apt: AptState = field(default_factory=AptState)
    dockerd: DockerdState = field(default_factory=DockerdState)
    # Whether names of package archives are resolved; looked at only where no source's name is.
    archives_resolve: bool = False
    surroundings: Surroundings = field(default_factory=Surroundings)
    cards: Cards = field(default_factory=Cards)
    xids: Tuple[Tuple[str, int], ...] = ()
    nouveau: bool = False
    secure_boot: bool = False
    effects: Effects = field(default_factory=Effects)
    # Only for a state folder on a file system of its own.
    state_path: str = ""
    state_free_mib: int = 0


@dataclass(frozen=True)
class Wanted:
    """What the host is to carry; every pair is (too little to work, comfortable), in MiB."""

    gpu: bool
    memory_mib: Tuple[int, int]
    disk_mib: Tuple[int, int]
    disk_state_mib: Tuple[int, int]
    disk_deployed_mib: Tuple[int, int]
    vram_mib: Tuple[int, int]
    driver: str
    docker_root: str = ""
    accepted: Tuple[str, ...] = ()
