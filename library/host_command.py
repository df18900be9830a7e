#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ansible module `host_command`, whose work is done by action_plugins/host_command.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_command
short_description: Run a command, with a sentence about what went wrong where it fails
description:
  - Runs a command without a shell, as C(ansible.builtin.command) does, and does not run it in check mode.
  - A failure begins with the purpose, goes on with the telling lines of the output, and ends with what to do.
attributes:
  check_mode: {description: Is skipped., support: partial}
  diff_mode: {description: A command has no difference to show., support: none}
  idempotent: {description: "As the command is; C(changed_when) says so.", support: none}
author: [The Twinport developers]
options:
  argv: {description: The command and its arguments., type: list, elements: str, required: true}
  purpose: {description: "What it is for, as the subject of C(failed).", type: str, required: true}
  cure: {description: "What the reader can do, a whole sentence.", type: str, required: true}
"""

EXAMPLES = r"""
- name: Pull an image
  host_command:
    argv: [docker, pull, --quiet, "postgres:17"]
    purpose: Pulling postgres:17
    cure: Check that the host reaches the registry; docker_registry_mirrors names another.
  changed_when: true
"""

RETURN = r"""
rc: {description: Exit status., type: int, returned: always}
stdout: {description: Standard output., type: str, returned: always}
stderr: {description: Standard error., type: str, returned: always}
"""
