#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ansible module: the state of a compose stack's host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_survey
short_description: Report which containers a host has, what its Docker supports, and who may write to folders
description:
  - Collects in one task what a compose stack needs to know before its start. Changes nothing, and works on a host
    without Docker.
options:
  folders:
    description: Folders whose default access lists are read; a missing one has none.
    type: list
    elements: path
    default: []
  project:
    description: The compose project.
    type: str
    required: true
  project_dir:
    description: The folder of its files.
    type: path
    required: true
  record:
    description: The record of M(stack_record).
    type: path
    required: true
  network:
    description: A network whose addresses are returned.
    type: str
    default: ""
extends_documentation_fragment: twinport.read_only
"""

EXAMPLES = r"""
- name: Look at the host before stack video is brought up
  stack_survey:
    folders: [/var/lib/twinport/duix_data/temp]
    project: twinport-video
    project_dir: /opt/twinport/video
    record: /opt/twinport/video/.brought-up.json
  register: survey
"""

RETURN = r"""
containers:
  description: "All containers, also those that do not run: name, image, state, project (of compose), ports."
  type: list
  elements: dict
  returned: success
memory_mib:
  description: The host's memory in MiB.
  type: int
  returned: success
start_interval:
  description: Whether health checks can be more frequent while a container starts (Docker 25, compose 2.21).
  type: bool
  returned: success
as_brought_up:
  description:
    - Whether everything that compose examines is as it was when it last started the project, so it would find nothing
      to do.
  type: bool
  returned: success
networks:
  description: The networks that compose has made for the project, by their names in its file.
  type: list
  elements: str
  returned: success
subnets:
  description: The addresses of O(network); none where it does not exist.
  type: list
  elements: str
  returned: success
writers:
  description: For each folder the ids of the users who have full access to new files in it.
  type: dict
  returned: success
"""

import json
import os
import re
import struct
from typing import Any, Dict, List, Tuple

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.brought_up import NOTHING, brought_up, compose_version
from ansible.module_utils.compose_networks import project_networks
from ansible.module_utils.host_commands import output_of, text_of

_CONTAINER = (
    '{"name":{{json .Names}},"image":{{json .Image}},"state":{{json .State}},"ports":{{json .Ports}},'
    '"project":{{json (.Label "com.docker.compose.project")}}}'
)
# Docker Engine 25.0 and compose 2.21.0: their release notes.
_ENGINE_WITH_START_INTERVAL = (25, 0)
_COMPOSE_WITH_START_INTERVAL = (2, 21)
# Linux, include/uapi/linux/posix_acl_xattr.h: a version, then entries of tag, permissions and id, little-endian.
_ACL_VERSION = struct.Struct("<I")
_ACL_ENTRY = struct.Struct("<HHI")
_ACL_USER = 0x02
_ACL_EVERYTHING = 7


def containers() -> List[Dict[str, Any]]:
    """Every container of the host."""
    listed = output_of(["docker", "ps", "--all", "--no-trunc", "--format", _CONTAINER], seconds=30)
    return [json.loads(line) for line in listed.splitlines()]


def has_start_interval(compose: str) -> bool:
    """Whether both the engine and this version of compose know a health check's start_interval."""
    engine = output_of(["docker", "version", "--format", "{{.Server.Version}}"], seconds=30)
    return version(engine) >= _ENGINE_WITH_START_INTERVAL and version(compose) >= _COMPOSE_WITH_START_INTERVAL


def version(text: str) -> Tuple[int, int]:
    """Major and minor number, (0, 0) where there is none."""
    found = re.match(r"v?(\d+)\.(\d+)", text.strip())
    return (int(found.group(1)), int(found.group(2))) if found else (0, 0)


def as_brought_up(project: str, folder: str, compose: str, record: str) -> bool:
    """Whether the project is as M(stack_record) recorded it."""
    noted = text_of(record)
    found = brought_up(project, folder, compose) if noted else NOTHING
    return found != NOTHING and json.dumps(found, sort_keys=True) == noted


def memory_mib() -> int:
    """The host's memory; 0 where the kernel does not say it."""
    found = re.search(r"^MemTotal:\s+(\d+) kB$", text_of("/proc/meminfo"), re.MULTILINE)
    return int(found.group(1)) // 1024 if found else 0


def subnets(network: str) -> List[str]:
    """The networks' addresses, as 172.19.0.0/16."""
    command = ["docker", "network", "inspect", "--format", "{{range .IPAM.Config}}{{.Subnet}} {{end}}", network]
    return output_of(command, seconds=30).split() if network else []


def writers(folder: str) -> List[int]:
    """Users with full access by the folder's default access list."""
    try:
        packed = os.getxattr(folder, "system.posix_acl_default")
    except OSError:
        return []
    entries = packed[_ACL_VERSION.size :]
    found = _ACL_ENTRY.iter_unpack(entries[: len(entries) // _ACL_ENTRY.size * _ACL_ENTRY.size])
    return [user for tag, permissions, user in found if tag == _ACL_USER and permissions == _ACL_EVERYTHING]


def main() -> None:
    """Look and report."""
    module = AnsibleModule(
        argument_spec={
            "folders": {"type": "list", "elements": "path", "default": []},
            "project": {"type": "str", "required": True},
            "project_dir": {"type": "path", "required": True},
            "record": {"type": "path", "required": True},
            "network": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    params, compose = module.params, compose_version()
    module.exit_json(
        changed=False,
        containers=containers(),
        memory_mib=memory_mib(),
        start_interval=has_start_interval(compose),
        as_brought_up=as_brought_up(params["project"], params["project_dir"], compose, params["record"]),
        networks=[network.key for network in project_networks(params["project"])],
        subnets=subnets(params["network"]),
        writers={folder: writers(folder) for folder in params["folders"]},
    )


if __name__ == "__main__":
    main()
