# SPDX-License-Identifier: Apache-2.0
"""What a run would do to packages, containers, ports and GPU memory of others on this host."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from ..docker_installation import CE_ENGINE, Docker, engine_packages
from ..host_commands import output_of, text_of
from ..nvidia_cards import MemoryUse
from ..nvidia_probe import ask_memory
from .effect_model import CardMemory, Effects, StoppingContainer
from .holder_probe import process_holder
from .port_effect_probe import closing_ports, keep_line

# What cannot be on a host together with Docker CE's packages, and with a distribution's: where apt does not know their
# repository yet and can't simulate.
_BESIDE_CE = (
    "docker.io", "docker-cli", "docker-compose", "docker-compose-v2", "docker-buildx", "docker-doc", "podman-docker",
    "containerd", "runc",
)  # fmt: skip
_BESIDE_DISTRIBUTION = (
    "docker-ce", "docker-ce-cli", "docker-ce-rootless-extras", "docker-buildx-plugin", "docker-compose-plugin",
    "containerd.io",
)  # fmt: skip
_ENGINES = ("cosyvoice-engine", "duix-avatar-gen-video")
_PROJECT = "com.docker.compose.project"
_UNNAMED_MIB = 512


def find_effects(
    params: Mapping[str, Any], docker: Docker, missing: Sequence[str], installed: Mapping[str, str]
) -> Effects:
    """All effects, by the parameters of the module host_survey.

    Args:
        docker: the Docker that is there.
        missing: the packages that the run will install for it.
        installed: the versions of the host's packages.
    """
    closing = closing_ports(params["firewall"])
    packages = removed_packages(missing, installed) if _may_remove(params["docker_source"], docker) else ()
    return Effects(
        ports=closing,
        keep_ports=keep_line(closing, params["firewall"]["extra_ports"]),
        packages=packages,
        containers=stopping_containers(params, bool(packages) or any(name in engine_packages() for name in missing)),
        memory=card_memory() if params["gpu"] else (),
    )


def _may_remove(source: str, docker: Docker) -> bool:
    """With a Docker that is kept, the run stops instead of removing a package."""
    return source != "auto" or docker.kind == "none"


def removed_packages(missing: Sequence[str], installed: Mapping[str, str]) -> Tuple[str, ...]:
    """What apt would remove for ``missing``; dnf never removes anything for an installation."""
    if not missing:
        return ()
    command = ["apt-get", "--simulate", "--quiet", "--no-install-recommends", "install", *missing]
    told = output_of(command, seconds=60, env={"LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    if told:
        return tuple(re.findall(r"^Remv (\S+)", told, re.MULTILINE))
    if not Path("/etc/apt").is_dir():
        return ()
    beside = _BESIDE_CE if any(name.split("=")[0] in CE_ENGINE for name in missing) else _BESIDE_DISTRIBUTION
    return tuple(name for name in beside if name in installed)


def stopping_containers(params: Mapping[str, Any], engine_changes: bool) -> Tuple[StoppingContainer, ...]:
    """Containers of others that the run will stop; ``engine_changes``: whether packages of Docker's engine change."""
    found: List[StoppingContainer] = []
    reason = _restart_reason(params, engine_changes)
    form = "{{.Names}}|{{.Image}}|{{.Label " + json.dumps(_PROJECT) + "}}"
    for line in output_of(["docker", "ps", "--format", form], seconds=30).splitlines():
        name, image, project = [*line.split("|"), "", ""][:3]
        if project.startswith("twinport-"):
            continue
        if any(_taken_over(name, image, port.get("taken_over") or {}) for port in params["ports"]):
            found.append(StoppingContainer(name, "an engine started by hand: stopped and kept"))
        elif reason:
            found.append(StoppingContainer(name, reason))
    return tuple(found)


def _taken_over(name: str, image: str, engine: Mapping[str, Any]) -> bool:
    return bool(engine) and (name in engine["names"] or re.search(engine["image"], image) is not None)


def _restart_reason(params: Mapping[str, Any], engine_changes: bool) -> str:
    """Why containers can't go on while Docker restarts, "" where they can or where it does not."""
    if engine_changes:
        return "may stop while Docker's packages are exchanged, and is then started again"
    if text_of(str(Path(params["config_dir"]) / "docker" / "docker.json")):
        return ""
    answer = output_of(["docker", "info", "--format", "{{.Swarm.LocalNodeState}}|{{.DockerRootDir}}"], seconds=30)
    swarm, _bar, root = answer.strip().partition("|")
    if root and params["docker_data_root"] and params["docker_data_root"] != root:
        return "stopped, and stays in Docker's old folder {0}".format(root)
    if swarm == "active":
        return "restarted: a member of a swarm can't keep it running while Docker restarts"
    return ""


def card_memory() -> Tuple[CardMemory, ...]:
    """The memory of each card and who holds it; () where nvidia-smi does not say."""
    cards = []
    for use in ask_memory():
        ours, holders = _holders(use)
        rest = use.used_mib - ours - sum(holders.values())
        if rest >= _UNNAMED_MIB:
            holders["something that nvidia-smi does not name"] = rest
        ordered = tuple(sorted(holders.items(), key=lambda holder: -holder[1]))
        cards.append(CardMemory(use.index, use.total_mib, use.total_mib - use.used_mib + ours, ordered))
    return tuple(cards)


def _holders(use: MemoryUse) -> Tuple[int, Dict[str, int]]:
    """What our engines hold, and what each other program does."""
    ours, others = 0, {}  # type: int, Dict[str, int]
    for pid, mib in use.processes:
        name = process_holder(pid).name
        if any(name.startswith("container {0} ".format(engine)) for engine in _ENGINES):
            ours += mib
        else:
            others[name] = others.get(name, 0) + mib
    return ours, others
