#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ansible module `host_service`, whose work is done by action_plugins/host_service.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_service
short_description: Start, stop and enable units of systemd, with the unit's last words where that fails
description:
  - Does what C(ansible.builtin.systemd_service) does with the same options.
  - A failure names the unit and the last telling lines of its journal, instead of a hint to read them.
options:
  name: {description: The unit., type: str, required: true}
  state:
    description: The state to bring it to; without it only what the other options say is done.
    type: str
    choices: [started, stopped, restarted, reloaded]
  enabled: {description: Whether it starts at boot., type: bool}
  daemon_reload: {description: Whether systemd reads its units anew before., type: bool, default: false}
extends_documentation_fragment: twinport.no_diff
"""

EXAMPLES = r"""
- name: Start Docker, now and at every boot
  host_service:
    name: docker
    state: started
    enabled: true
"""

RETURN = r"""
status: {description: "The unit's properties, as systemd gives them.", type: dict, returned: success}
"""
