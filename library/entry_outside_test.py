#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ansible module `entry_outside_test`, which runs on the control machine: action_plugins/entry_outside_test.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: entry_outside_test
short_description: Ask the voice and the video entry from the control machine
description:
  - Checks that both entries answer and accept an upload, and that the ports to be closed are closed. Distinguishes
    "not running" from "running but blocked on the way".
  - Runs on the control machine, for each host in the process that has its task anyway.
  - In check mode it does nothing and returns an empty list of checks.
options:
  closed_ports:
    description: TCP ports of the voice entry's host that must not answer.
    type: list
    elements: int
    default: []
  timeout:
    description: How long an entry may answer 503 with Retry-After, in seconds.
    type: int
    default: 600
extends_documentation_fragment: [twinport.read_only, twinport.entries, twinport.tls]
"""

EXAMPLES = r"""
- name: Test both entries from the control machine
  entry_outside_test:
    voice_url: "http://{{ ansible_host }}:9090"
    video_url: "http://{{ ansible_host }}:8383"
    closed_ports: [2375, 50000]
  register: seen
  failed_when: not seen.ok
"""

RETURN = r"""
ok:
  description: Whether every check holds.
  returned: always
  type: bool
checks:
  description: The checks in the order they were made.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Stable name, for example C(voice_speech).
      type: str
    ok:
      description: Whether it holds.
      type: bool
    detail:
      description: What was seen, or what is wrong and what to do.
      type: str
"""
