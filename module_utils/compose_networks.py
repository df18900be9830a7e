# SPDX-License-Identifier: Apache-2.0
"""The networks that compose made for a project, and who is attached to them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Dict, List

from .host_commands import output_of

_NETWORK = '{"id":{{json .ID}},"name":{{json .Name}},"key":{{json (.Label "com.docker.compose.network")}}}'
_CONTAINER = '{"name":{{json .Names}},"project":{{json (.Label "com.docker.compose.project")}}}'


@dataclass(frozen=True)
class ProjectNetwork:
    """A network: Docker's id and name of it, and its key in the project's compose file."""

    id: str
    name: str
    key: str


def project_networks(project: str) -> List[ProjectNetwork]:
    """The networks with the project's label, by name; none where Docker does not answer."""
    found = _listed(
        ["network", "ls", "--no-trunc", "--filter", "label=com.docker.compose.project=" + project], _NETWORK
    )
    return sorted((ProjectNetwork(**one) for one in found), key=lambda network: network.name)


def attached_containers(network: ProjectNetwork) -> Dict[str, str]:
    """The project (or "") of each container on the network, by the container's name; stopped ones count too."""
    # Docker notes the network's id when a container is started for the first time, and until then its name alone.
    either = ["--filter", "network=" + network.id, "--filter", "network=" + network.name]
    found = _listed(["ps", "--all", "--no-trunc", *either], _CONTAINER)
    return {one["name"]: one["project"] for one in found}


def _listed(command: List[str], line: str) -> List[Dict[str, str]]:
    output = output_of(["docker", *command, "--format", line], seconds=30)
    return [json.loads(text) for text in output.splitlines()]
