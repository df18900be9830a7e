# SPDX-License-Identifier: Apache-2.0
"""What a compose project is made of on this host: the same again, and ``docker compose up`` would find nothing to do.

Compose goes by the project's files, its own version, the project's containers and the images behind the names that
these were made from. Networks and volumes can't be removed or created again while
their containers exist.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence

from .host_commands import output_of

# Where there are no containers, or Docker does not answer: never what an earlier run has noted.
NOTHING: Dict[str, Any] = {}


def compose_version() -> str:
    """The version of compose, "" where there is none."""
    return output_of(["docker", "compose", "version", "--short"], seconds=30).strip()


def brought_up(project: str, folder: str, compose: str) -> Dict[str, Any]:
    """Everything that compose would examine, or NOTHING.

    Args:
        project: the compose project's name.
        folder: the folder of its files.
        compose: compose's own version.
    """
    label = "label=com.docker.compose.project=" + project
    ids = output_of(["docker", "ps", "--all", "--quiet", "--no-trunc", "--filter", label], seconds=30).split()
    containers = _inspect("container", sorted(ids))
    tags = sorted({container["Config"]["Image"] for container in containers})
    images = _inspect("image", tags)
    if not images:
        return NOTHING
    return {
        "compose": compose,
        "environment": _environment(),
        "files": _files(folder),
        "containers": [_container(container) for container in containers],
        "images": {tag: image["Id"] for tag, image in zip(tags, images)},
    }


def _inspect(kind: str, names: Sequence[str]) -> List[Dict[str, Any]]:
    """Docker's own description of each, in this order; [] where one is missing."""
    output = output_of(["docker", kind, "inspect", *names], seconds=30) if names else ""
    return list(json.loads(output)) if output else []


def _container(details: Mapping[str, Any]) -> Dict[str, Any]:
    networks = details["NetworkSettings"]["Networks"]
    return {
        "id": details["Id"],
        "name": details["Name"],
        "state": details["State"]["Status"],
        "health": details["State"].get("Health", {}).get("Status", ""),
        "networks": {name: network["NetworkID"] for name, network in networks.items()},
    }


def _files(folder: str) -> Dict[str, str]:
    """Digests of the files that compose reads by itself."""
    read = [path for path in Path(folder).glob("*") if path.suffix in (".yaml", ".yml") or path.name == ".env"]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in read}


def _environment() -> Dict[str, str]:
    """The variables that change what compose does; as digests, for a value may be a secret."""
    variables = {name: value for name, value in os.environ.items() if name.startswith(("COMPOSE_", "DOCKER_"))}
    return {name: hashlib.sha256(value.encode()).hexdigest() for name, value in variables.items()}
