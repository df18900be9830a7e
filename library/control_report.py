#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ansible module `control_report`, which runs on the control machine: action_plugins/control_report.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: control_report
short_description: Write a report on the control machine
description:
  - Writes a text on the control machine, for each host in the process that has its task anyway. The folder is made
    where it is missing; a reader sees the old report or the new one, never half of either.
  - A report is a result and not a state that a host converges to, so it never counts as a change.
    Nothing is written in check mode.
options:
  path:
    description: The file on the control machine.
    type: path
    required: true
  content:
    description: Its text.
    type: str
    required: true
extends_documentation_fragment: twinport.read_only
"""

EXAMPLES = r"""
- name: Write the report on the control machine
  control_report:
    path: "reports/{{ inventory_hostname }}-verify.json"
    content: "{{ report | to_nice_json }}\n"
"""

RETURN = r""" # """
