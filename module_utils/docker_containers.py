# SPDX-License-Identifier: Apache-2.0
"""The containers of the Docker that this runs beside."""

from __future__ import annotations

from pathlib import Path
from typing import Dict

from .host_commands import output_of

# States in which a container's processes exist.
RUNS = ("running", "paused", "restarting")
_SECONDS = 30


def note_of_running(state_dir: str) -> Path:
    """The note of the containers that ran before a restart; it is there until they run again."""
    return Path(state_dir) / "running-containers"


def is_unfinished(state_dir: str) -> bool:
    """Whether a restart was interrupted."""
    return note_of_running(state_dir).exists()


def container_states() -> Dict[str, str]:
    """The state of every container, by id."""
    return {number: container["status"] for number, container in _listed().items()}


def running_containers() -> Dict[str, Dict[str, str]]:
    """Name and status of every container that has processes, by id."""
    return {number: container for number, container in _listed().items() if container["status"] in RUNS}


def _listed() -> Dict[str, Dict[str, str]]:
    form = "{{.ID}}|{{.Names}}|{{.State}}"
    rows = [
        line.split("|")
        for line in output_of(["docker", "ps", "--all", "--no-trunc", "--format", form], seconds=_SECONDS).splitlines()
    ]
    return {row[0]: {"name": row[1].split(",")[0], "status": row[2]} for row in rows if len(row) == 3}
