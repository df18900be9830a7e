#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ansible module: inspect a host before anything is changed, and report what will work and what will not."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_survey
short_description: Report whether a host can run the product, and what to do where it can't
description:
  - Inspects the system, its resources, its network sources, its Docker, its ports and its GPUs, and judges each.
  - Changes nothing and needs nothing but Python; every probe is bounded in time.
options:
  gpu: {description: Whether real engines are to run., type: bool, required: true}
  control_time:
    description: The control machine's clock in seconds since 1970.
    type: float
    required: true
  root: {description: Deployment folder; an existing one needs less disk space., type: path, required: true}
  state_dir: {description: Folder of voices and models and media., type: path, required: true}
  ports:
    description:
      - Ports that must be free (port), by which of our containers they may be held (container), and which others the
        run will stop (taken_over), by their name (names) or by a regular expression for their image (image).
    type: list
    elements: dict
    required: true
  sources:
    description: "Sources to check: name, urls (one reachable is enough), required, cure."
    type: list
    elements: dict
    default: []
  docker_source: {description: As in the docker role., type: str, required: true}
  docker_minimum: {description: As in the docker role., type: dict, required: true}
  docker_data_root: {description: As in the docker role., type: str, default: ""}
  docker_daemon_settings: {description: As in the docker role., type: dict, default: {}}
  docker_reserved_networks: {description: As in the docker role., type: list, elements: str, default: []}
  firewall:
    description:
      - "What the firewall will let in besides SSH (entries), and what of it the inventory has added (extra_ports), as
        in the variable C(firewall_extra_ports); trusted_interfaces as in the role, and the path of its ruleset."
    type: dict
    default: {entries: [], extra_ports: [], trusted_interfaces: [], path: /etc/twinport/firewall.nft}
  config_dir: {description: Folder of the records of settings., type: path, default: /etc/twinport}
  docker_registry_mirrors: {description: As in the docker role., type: list, elements: str, default: []}
  docker_package_versions: {description: As in the docker role., type: dict, default: {}}
  packages:
    description: >-
      What else the run installs where a program is missing: program, and the names of its packages, none where they
      come from a source that the run adds.
    type: list
    elements: dict
    default: []
  limits:
    description: >-
      Pairs in MiB of too little and comfortable: memory, disk, disk_state, disk_deployed, vram; and the oldest driver.
      C(disk) is for everything, C(disk_state) for a state folder on a file system of its own.
    type: dict
    required: true
  accept:
    description: Names of rows whose failure is only to be a warning.
    type: list
    elements: str
    default: []
  http_proxy: {description: Proxy for http., type: str, default: ""}
  https_proxy: {description: Proxy for https., type: str, default: ""}
  no_proxy: {description: Hosts reached without proxy., type: str, default: ""}
  ca_certificates: {description: PEM text of further authorities to trust., type: str, default: ""}
  timeout: {description: Seconds for one source., type: int, default: 8}
extends_documentation_fragment: twinport.read_only
"""

EXAMPLES = r"""
- name: Inspect the host
  host_survey:
    gpu: true
    control_time: "{{ now().timestamp() }}"
    root: /opt/twinport
    state_dir: /var/lib/twinport
    ports: [{port: 8383, container: twinport-front}]
    docker_source: auto
    docker_minimum: {engine: "20.10", compose: "2.17", buildx: "0.10"}
    limits:
      memory: [7168, 29696]
      disk: [40000, 60000]
      disk_state: [12000, 25000]
      disk_deployed: [2000, 5000]
      vram: [5500, 11500]
      driver: "525.60.13"
"""

RETURN = r"""
ok: {description: Whether no row has failed., type: bool, returned: success}
checks: {description: "The rows: name, status, detail, cure.", type: list, elements: dict, returned: success}
table: {description: The rows as text., type: str, returned: success}
harms:
  description: "Effects on what belongs to others that need an agreement: name, sentence."
  type: list
  elements: dict
  returned: success
untouched:
  description: Whether Twinport has neither changed nor recorded anything here yet.
  type: bool
  returned: success
keep_ports:
  description: The value of C(firewall_extra_ports) with which no port closes.
  type: str
  returned: success
"""

import dataclasses
import os
import platform
import time
from pathlib import Path
from typing import Any, Dict, Mapping, NamedTuple, Optional, Sequence, Tuple

from ansible.module_utils.address_plan import Plan
from ansible.module_utils.address_probe import plan_addresses
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.docker_installation import Docker, UnusableDockerError, choose, missing
from ansible.module_utils.docker_installation import Plan as DockerPlan
from ansible.module_utils.docker_probe import find_docker, installed_packages
from ansible.module_utils.host_commands import output_of, text_of
from ansible.module_utils.nvidia_cards import Cards, parse_xids
from ansible.module_utils.nvidia_probe import ask_cards
from ansible.module_utils.os_release import OperatingSystem, parse_os_release
from ansible.module_utils.preflight import machine_probe as machine
from ansible.module_utils.preflight.apt_state_probe import ask_apt
from ansible.module_utils.preflight.dockerd_probe import ask_dockerd
from ansible.module_utils.preflight.effect_probe import find_effects
from ansible.module_utils.preflight.effect_rows import harms
from ansible.module_utils.preflight.installations import coming_installations
from ansible.module_utils.preflight.model import FAIL, Host, Wanted
from ansible.module_utils.preflight.network_probe import Network, archives_resolve
from ansible.module_utils.preflight.port_probe import port_holders
from ansible.module_utils.preflight.report import judge, render
from ansible.module_utils.preflight.surroundings_probe import ask_surroundings

ARGUMENTS = {
    "gpu": {"type": "bool", "required": True},
    "control_time": {"type": "float", "required": True},
    "root": {"type": "path", "required": True},
    "state_dir": {"type": "path", "required": True},
    "ports": {"type": "list", "elements": "dict", "required": True},
    "sources": {"type": "list", "elements": "dict", "default": []},
    "docker_source": {"type": "str", "required": True},
    "docker_minimum": {"type": "dict", "required": True},
    "docker_data_root": {"type": "str", "default": ""},
    "docker_daemon_settings": {"type": "dict", "default": {}},
    "docker_reserved_networks": {"type": "list", "elements": "str", "default": []},
    "firewall": {
        "type": "dict",
        "default": {"entries": [], "extra_ports": [], "trusted_interfaces": [], "path": "/etc/twinport/firewall.nft"},
    },
    "config_dir": {"type": "path", "default": "/etc/twinport"},
    "docker_registry_mirrors": {"type": "list", "elements": "str", "default": []},
    "docker_package_versions": {"type": "dict", "default": {}},
    "packages": {"type": "list", "elements": "dict", "default": []},
    "limits": {"type": "dict", "required": True},
    "accept": {"type": "list", "elements": "str", "default": []},
    "http_proxy": {"type": "str", "default": ""},
    "https_proxy": {"type": "str", "default": ""},
    "no_proxy": {"type": "str", "default": ""},
    "ca_certificates": {"type": "str", "default": ""},
    "timeout": {"type": "int", "default": 8},
}


class DockerChoice(NamedTuple):
    """What the docker role will do, None with its reason where it can do nothing."""

    plan: Optional[DockerPlan]
    problem: str

    @property
    def packages(self) -> Tuple[str, ...]:
        """What it will install."""
        return self.plan.packages if self.plan else ()


def docker_choice(params: Mapping[str, Any], system: OperatingSystem, docker: Docker) -> DockerChoice:
    """Decide as the docker role will."""
    try:
        return DockerChoice(choose(params["docker_source"], system, docker, params["docker_minimum"]), "")
    except UnusableDockerError as error:
        return DockerChoice(None, str(error))


def needed_sources(sources: Sequence[Mapping[str, Any]], choice: DockerChoice) -> Sequence[Mapping[str, Any]]:
    """The sources without Docker CE's where Docker comes from elsewhere."""
    needs_ce = choice.plan is not None and choice.plan.source == "ce"
    return [source for source in sources if source["name"] != "docker-ce" or needs_ce]


class DockerStore(NamedTuple):
    """Where Docker keeps its data and its images, and whether it has any."""

    root: str
    images: str
    has_images: bool


def docker_store(data_root: str) -> DockerStore:
    """Ask a running Docker; ``data_root`` is the folder that the deployment will set, "" for Docker's own."""
    form = "{{.DockerRootDir}}|{{.Images}}|{{json .DriverStatus}}"
    answer = output_of(["docker", "info", "--format", form], seconds=30).split("|", 2)
    if len(answer) < 3:
        root = data_root or "/var/lib/docker"
        return DockerStore(root, root, has_images=False)
    root, number, status = answer
    with_containerd = "io.containerd.snapshotter" in status
    return DockerStore(root, "/var/lib/containerd" if with_containerd else data_root or root, number != "0")


def enforced_settings(params: Mapping[str, Any]) -> Dict[str, Any]:
    """What the docker role will put into daemon.json, whatever is there."""
    own = {"data-root": params["docker_data_root"], "registry-mirrors": params["docker_registry_mirrors"]}
    return {**{name: value for name, value in own.items() if value}, **params["docker_daemon_settings"]}


def address_plan(params: Mapping[str, Any]) -> Plan:
    """What the deployment will set so that Docker takes nobody's addresses."""
    urls = [url for source in params["sources"] for url in source["urls"]]
    proxies = [params["http_proxy"], params["https_proxy"]]
    return plan_addresses(params["docker_daemon_settings"], urls + proxies, params["docker_reserved_networks"])


def survey(params: Mapping[str, Any]) -> Host:
    """Everything there is to know about this host."""
    system = parse_os_release(text_of("/etc/os-release"))
    installed = installed_packages()
    docker = find_docker(installed)
    choice = docker_choice(params, system, docker)
    store = docker_store(params["docker_data_root"])
    state_dir = params["state_dir"]
    sources = Network(params).ask_all(needed_sources(params["sources"], choice))
    return Host(
        system=system,
        architecture=platform.machine(),
        kernel=platform.release(),
        init=text_of("/proc/1/comm").strip(),
        container=machine.container_kind(),
        capabilities=machine.capabilities(),
        is_root=os.geteuid() == 0,
        memory_mib=machine.memory_mib(),
        disk_path=store.images,
        disk_free_mib=machine.free_mib(store.images),
        state_path="" if machine.device_of(store.images) == machine.device_of(state_dir) else state_dir,
        state_free_mib=machine.free_mib(state_dir),
        clock_offset_s=time.time() - params["control_time"],
        deployed=(Path(params["root"]) / "video" / "compose.yaml").exists(),
        docker=docker,
        docker_problem=choice.problem,
        docker_root=store.root,
        docker_has_images=store.has_images,
        daemon_json_problem=machine.daemon_json_problem(),
        addresses=address_plan(params),
        apt=ask_apt(*coming_installations(choice.plan, docker.kind, installed, params), params),
        dockerd=ask_dockerd(enforced_settings(params)),
        surroundings=ask_surroundings(store.images, params["root"], state_dir),
        ports=port_holders(params["ports"]),
        sources=sources,
        archives_resolve=archives_resolve(sources),
        cards=ask_cards() if params["gpu"] else Cards(),
        xids=tuple(parse_xids(machine.kernel_log())) if params["gpu"] else (),
        nouveau=Path("/sys/module/nouveau").exists(),
        secure_boot=machine.secure_boot(),
        effects=find_effects(params, docker, missing(choice.packages, installed, {}), installed),
    )


def is_touched(params: Mapping[str, Any]) -> bool:
    """Whether a run has begun to change this host, or recorded it."""
    config = Path(params["config_dir"])
    traces = (config / "docker", config / "firewall.nft", Path(params["state_dir"]) / "host-record.json")
    return any(trace.exists() for trace in traces)


def main() -> None:
    """Survey, judge, report."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    params = module.params
    limits = params["limits"]
    wanted = Wanted(
        gpu=params["gpu"],
        memory_mib=tuple(limits["memory"]),
        disk_mib=tuple(limits["disk"]),
        disk_state_mib=tuple(limits["disk_state"]),
        disk_deployed_mib=tuple(limits["disk_deployed"]),
        vram_mib=tuple(limits["vram"]),
        driver=str(limits["driver"]),
        docker_root=params["docker_data_root"],
        accepted=tuple(params["accept"]),
    )
    host = survey(params)
    rows = judge(host, wanted)
    module.exit_json(
        changed=False,
        ok=all(row.status != FAIL for row in rows),
        checks=[dataclasses.asdict(row) for row in rows],
        table=render(rows),
        harms=[dataclasses.asdict(harm) for harm in harms(host.effects)],
        untouched=not (host.deployed or is_touched(params)),
        keep_ports=host.effects.keep_ports,
    )


if __name__ == "__main__":
    main()
