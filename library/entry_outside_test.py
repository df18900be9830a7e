#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ansible module `entry_outside_test`, which runs on the control machine: action_plugins/entry_outside_test.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: entry_outside_test
short_description: Ask the voice and the video entry from the control machine
description:
  - Asks whether both entries answer and take an upload, and whether ports that must be shut are. Tells "not running"
    from "running but shut on the way".
  - Runs on the control machine, for each host in the process that has its task anyway.
attributes:
  check_mode:
    support: full
    description: Does nothing and returns an empty list of checks.
  diff_mode:
    support: none
    description: Nothing is changed.
  idempotent:
    support: full
    description: Never reports a change.
options:
  voice_url:
    description: Base URL of the voice entry.
    type: str
    required: true
  video_url:
    description: Base URL of the video entry.
    type: str
    required: true
  api_key:
    description: Sent as C(X-API-Key) where it is not empty.
    type: str
    default: ""
  closed_ports:
    description: TCP ports of the voice entry's host that must not answer.
    type: list
    elements: int
    default: []
  timeout:
    description: How long an entry may ask to come back later, in seconds.
    type: int
    default: 600
author:
  - The Twinport developers
"""

EXAMPLES = r"""
- name: Ask both entries from the control machine
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
