#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ansible module: removes networks of a compose project that its file no longer names."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_networks
short_description: Remove the networks that a compose project made earlier and no longer names
description:
  - Compose keeps a network that has vanished from the project's file, as after an upgrade.
  - Only networks with the project's own label are looked at, and none is removed to which a container is attached,
    whether it runs or not.
options:
  project:
    description: The compose project.
    type: str
    required: true
  keep:
    description: The networks by the names that the project's file gives them now.
    type: list
    elements: str
    default: []
extends_documentation_fragment: twinport
"""

EXAMPLES = r"""
- name: Remove the networks of an earlier version
  stack_networks:
    project: twinport-video
    keep: [engine, public]
"""

RETURN = r"""
removed:
  description: The networks that were or would be removed.
  type: list
  elements: str
  returned: success
in_use:
  description: For each network that is no longer named but stays, the containers that are attached to it.
  type: dict
  returned: success
"""

from typing import Dict, List

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.compose_networks import ProjectNetwork, attached_containers, project_networks


def users_of(network: ProjectNetwork, project: str, *, after_start: bool) -> List[str]:
    """The containers that keep a network in use.

    Args:
        network: one that the project's file does not name.
        project: the compose project.
        after_start: whether the project's own containers have been brought up to its file; until then they are about
            to leave the network.
    """
    attached = attached_containers(network)
    return sorted(name for name, owner in attached.items() if after_start or owner != project)


def main() -> None:
    """Look, and remove."""
    module = AnsibleModule(
        argument_spec={
            "project": {"type": "str", "required": True},
            "keep": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    project, keep = module.params["project"], module.params["keep"]
    networks = project_networks(project)
    removed: List[str] = []
    in_use: Dict[str, List[str]] = {}
    for network in networks:
        if network.key in keep:
            continue
        users = users_of(network, project, after_start=not module.check_mode)
        if users:
            in_use[network.name] = users
            continue
        if not module.check_mode:
            code, out, err = module.run_command(["docker", "network", "rm", network.id])
            if code:
                module.fail_json(msg="Network {0} can't be removed: {1}".format(network.name, (err or out).strip()))
        removed.append(network.name)
    names = [network.name for network in networks]
    module.exit_json(
        changed=bool(removed),
        removed=removed,
        in_use=in_use,
        diff={
            "before": "".join(name + "\n" for name in names),
            "after": "".join(name + "\n" for name in names if name not in removed),
            "before_header": "networks of " + project,
            "after_header": "networks of " + project,
        },
    )


if __name__ == "__main__":
    main()
