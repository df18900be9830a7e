#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ansible module: find out which Docker a host has and which packages it lacks."""

from __future__ import annotations

DOCUMENTATION = r"""
module: docker_survey
short_description: Report which Docker a host has and which packages it lacks
description:
  - Looks for Docker Engine, compose v2 and buildx, from any source, and decides where to install missing ones from.
  - Changes nothing, and works on a host without Docker.
options:
  source:
    description: Where Docker may come from.
    type: str
    choices: [auto, ce, distribution, existing]
    default: auto
  minimum:
    description: The minimum versions of C(engine), C(compose) and C(buildx).
    type: dict
    required: true
  pins:
    description: Exact package versions, by package name.
    type: dict
    default: {}
  daemon_settings:
    description: What the inventory puts into C(daemon.json); ranges that are chosen there stay.
    type: dict
    default: {}
  reserved_networks:
    description: Ranges that Docker must not take, besides those that the host itself shows to be in use.
    type: list
    elements: str
    default: []
  state_dir:
    description: As in M(docker_restart).
    type: path
    default: /etc/twinport/docker
  urls:
    description: Proxies and mirrors, whose addresses Docker must not take either.
    type: list
    elements: str
    default: []
extends_documentation_fragment: twinport.read_only
"""

EXAMPLES = r"""
- name: Survey the host's Docker
  docker_survey:
    source: auto
    minimum: {engine: "20.10", compose: "2.17", buildx: "0.10"}
  register: docker_survey
"""

RETURN = r"""
system:
  description: "The operating system: id, family, version, codename, name, architecture."
  type: dict
  returned: success
found: {description: "The Docker found: kind, engine, compose, buildx.", type: dict, returned: success}
source: {description: "Where Docker comes from: existing, ce or distribution.", type: str, returned: success}
missing: {description: Packages to install., type: list, elements: str, returned: success}
running: {description: Whether dockerd answers., type: bool, returned: success}
enabled: {description: Whether it starts at boot., type: bool, returned: success}
dropins: {description: Names of the files that extend its unit., type: list, elements: str, returned: success}
swarm: {description: Whether the host is a member of a swarm., type: bool, returned: success}
image_store: {description: Where the images are stored (docker or containerd)., type: str, returned: success}
certificates:
  description: "Texts of the authorities that Twinport has installed, by path; only files of root with mode 0644."
  type: dict
  returned: success
addresses:
  description: C(bip) and C(default-address-pools) with which Docker takes nobody's range; empty where it needs none.
  type: dict
  returned: success
unfinished: {description: Whether M(docker_restart) was interrupted in an earlier run., type: bool, returned: success}
mtu: {description: "Bytes that the link outside carries, 0 where it is not known.", type: int, returned: success}
certificate_store: {description: Whether the host's certificate store can be rebuilt., type: bool, returned: success}
"""

import dataclasses
import platform
import shutil
from pathlib import Path
from typing import Dict

from ansible.module_utils.address_probe import plan_addresses
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.docker_containers import is_unfinished
from ansible.module_utils.docker_installation import UnusableDockerError, choose, missing
from ansible.module_utils.docker_probe import find_docker, installed_packages
from ansible.module_utils.host_commands import output_of, root_text_of, text_of
from ansible.module_utils.link_mtu import outer_mtu
from ansible.module_utils.os_release import deb_architecture, parse_os_release

_DROPINS = Path("/etc/systemd/system/docker.service.d")
# The folders for the administrator's certificates in the Debian and RHEL families.
_AUTHORITIES = (Path("/usr/local/share/ca-certificates"), Path("/etc/pki/ca-trust/source/anchors"))


def certificates() -> Dict[str, str]:
    """Texts of the certificates that the role has copied, by path."""
    found = [str(path) for folder in _AUTHORITIES for path in folder.glob("twinport-*")]
    return {path: root_text_of(path) for path in found}


def main() -> None:
    """Probe, decide, report."""
    module = AnsibleModule(
        argument_spec={
            "source": {"type": "str", "choices": ["auto", "ce", "distribution", "existing"], "default": "auto"},
            "minimum": {"type": "dict", "required": True},
            "pins": {"type": "dict", "default": {}},
            "daemon_settings": {"type": "dict", "default": {}},
            "reserved_networks": {"type": "list", "elements": "str", "default": []},
            "urls": {"type": "list", "elements": "str", "default": []},
            "state_dir": {"type": "path", "default": "/etc/twinport/docker"},
        },
        supports_check_mode=True,
    )
    system = parse_os_release(text_of("/etc/os-release"))
    installed = installed_packages()
    found = find_docker(installed)
    try:
        plan = choose(module.params["source"], system, found, module.params["minimum"])
    except UnusableDockerError as error:
        module.fail_json(msg=str(error), found=dataclasses.asdict(found))
    pins = {name: str(version) for name, version in module.params["pins"].items() if version}
    state = output_of(
        ["docker", "info", "--format", "{{.ServerVersion}} {{.Swarm.LocalNodeState}} {{json .DriverStatus}}"],
        seconds=30,
    ).split()
    addresses = plan_addresses(
        module.params["daemon_settings"], module.params["urls"], module.params["reserved_networks"]
    )
    module.exit_json(
        changed=False,
        addresses=addresses.settings,
        system=dict(dataclasses.asdict(system), architecture=deb_architecture(platform.machine())),
        found=dataclasses.asdict(found),
        source=plan.source,
        missing=missing(plan.packages, installed, pins),
        running=bool(state),
        enabled=output_of(["systemctl", "is-enabled", "docker"]).strip() == "enabled",
        dropins=sorted(path.name for path in _DROPINS.glob("*.conf")),
        swarm="active" in state,
        image_store="containerd" if any("io.containerd.snapshotter" in word for word in state) else "docker",
        certificates=certificates(),
        unfinished=is_unfinished(module.params["state_dir"]),
        mtu=outer_mtu()[1],
        certificate_store=bool(shutil.which("update-ca-certificates") or shutil.which("update-ca-trust")),
    )


if __name__ == "__main__":
    main()
