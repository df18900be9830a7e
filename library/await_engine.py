#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ansible module `await_engine`, which runs on the control machine: action_plugins/await_engine.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: await_engine
short_description: Wait until the speech engine is ready, and show its progress
description:
  - Polls the engine's C(/health) inside its container until the engine is ready, and prints a line for every new state,
    for every five percent of the model's download, and at least every two minutes.
  - Fails at once where the engine can't load its model, and where its container does not stay up or the time is over.
  - In check mode it waits for nothing and reports itself as skipped.
options:
  container:
    description: Name of the engine's container.
    type: str
    required: true
  model:
    description: Name of the model, for the lines of progress.
    type: str
    required: true
  url:
    description: Address of the engine's health, inside its container.
    type: str
    default: http://127.0.0.1:50000/health
  timeout:
    description: Seconds after which the task fails; the engine continues.
    type: float
    required: true
  most_failures:
    description: Number of times that the container may be found down.
    type: int
    default: 10
  poll_seconds:
    description: Seconds between two questions; longer after the container was found down.
    type: float
    default: 5
extends_documentation_fragment: twinport.read_only
"""

EXAMPLES = r"""
- name: Wait for the engine
  await_engine:
    container: cosyvoice-engine
    model: iic/CosyVoice2-0.5B
    timeout: 10800
"""

RETURN = r"""
msg:
  description: The last line of progress.
  returned: success
  type: str
"""
