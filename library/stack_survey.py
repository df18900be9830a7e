#!/usr/bin/python
"""Ansible module: what a compose stack finds on its host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_survey
short_description: Tell which containers a host has, what its Docker can do, and who may write into folders
description:
  - One look for all that a compose stack wants to know before it is brought up. Changes nothing, and works on a host
    without Docker.
options:
  folders:
    description: Folders whose default access lists are looked at; one that is missing has none.
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
    description: What M(stack_record) has noted of it.
    type: path
    required: true
  entry_port:
    description: The port that the stack's gateway publishes; it is asked for C(/ready). None is asked where it is 0.
    type: int
    default: 0
attributes:
  check_mode: {support: full}
  diff_mode: {support: none}
  idempotent: {support: full}
author: Twinport
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
start_interval:
  description: Whether health checks can be more frequent while a container starts (Docker 25, compose 2.21).
  type: bool
  returned: success
as_brought_up:
  description:
    - Whether all that compose looks at is as it was when it last brought the project up, so that it would find nothing
      to do.
  type: bool
  returned: success
ready:
  description: Whether the gateway at O(entry_port) says that its engine can work.
  type: bool
  returned: success
writers:
  description: For each folder the ids of the users who may do everything with whatever is made in it.
  type: dict
  returned: success
"""

import json
import os
import re
import socket
import struct

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.brought_up import NOTHING, brought_up, compose_version
from ansible.module_utils.host_commands import output_of, text_of

_CONTAINER = (
    '{"name":{{json .Names}},"image":{{json .Image}},"state":{{json .State}},"ports":{{json .Ports}},'
    '"project":{{json (.Label "com.docker.compose.project")}}}'
)
# Docker Engine 25.0 and compose 2.21.0: their release notes.
_ENGINE_WITH_START_INTERVAL = (25, 0)
_COMPOSE_WITH_START_INTERVAL = (2, 21)
_READY_SECONDS = 5
# Linux, include/uapi/linux/posix_acl_xattr.h: a version, then entries of tag, permissions and id, little-endian.
_ACL_VERSION = struct.Struct("<I")
_ACL_ENTRY = struct.Struct("<HHI")
_ACL_USER = 0x02
_ACL_EVERYTHING = 7


def containers():
    """Every container of the host."""
    listed = output_of(["docker", "ps", "--all", "--no-trunc", "--format", _CONTAINER], seconds=30)
    return [json.loads(line) for line in listed.splitlines()]


def has_start_interval(compose):
    """Whether both the engine and this version of compose know a health check's start_interval."""
    engine = output_of(["docker", "version", "--format", "{{.Server.Version}}"], seconds=30)
    return version(engine) >= _ENGINE_WITH_START_INTERVAL and version(compose) >= _COMPOSE_WITH_START_INTERVAL


def version(text):
    """Major and minor number, (0, 0) where there is none."""
    found = re.match(r"v?(\d+)\.(\d+)", text.strip())
    return (int(found.group(1)), int(found.group(2))) if found else (0, 0)


def as_brought_up(project, folder, compose, record):
    """Whether the project is as M(stack_record) has noted it."""
    noted = text_of(record)
    found = brought_up(project, folder, compose) if noted else NOTHING
    return found != NOTHING and json.dumps(found, sort_keys=True) == noted


def ready(port):
    """Whether a gateway on this host says that its engine can work."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=_READY_SECONDS) as gateway:
            gateway.sendall(b"GET /ready HTTP/1.0\r\n\r\n")
            return b" 200 " in gateway.recv(64)
    except OSError:
        return False


def writers(folder):
    """Users whom the folder's default access list gives everything."""
    try:
        packed = os.getxattr(folder, "system.posix_acl_default")
    except OSError:
        return []
    entries = packed[_ACL_VERSION.size :]
    found = _ACL_ENTRY.iter_unpack(entries[: len(entries) // _ACL_ENTRY.size * _ACL_ENTRY.size])
    return [user for tag, permissions, user in found if tag == _ACL_USER and permissions == _ACL_EVERYTHING]


def main():
    """Look and report."""
    module = AnsibleModule(
        argument_spec={
            "folders": {"type": "list", "elements": "path", "default": []},
            "project": {"type": "str", "required": True},
            "project_dir": {"type": "path", "required": True},
            "record": {"type": "path", "required": True},
            "entry_port": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    params, compose = module.params, compose_version()
    module.exit_json(
        changed=False,
        containers=containers(),
        start_interval=has_start_interval(compose),
        as_brought_up=as_brought_up(params["project"], params["project_dir"], compose, params["record"]),
        ready=params["entry_port"] > 0 and ready(params["entry_port"]),
        writers={folder: writers(folder) for folder in params["folders"]},
    )


if __name__ == "__main__":
    main()
