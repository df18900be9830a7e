#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ansible module `host_download`, whose work is done by action_plugins/host_download.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_download
short_description: Download a file, with address and reason where that fails
description:
  - Does what C(ansible.builtin.get_url) does, with mode 0644 and a minute for each answer of the server.
  - A failure names the address, the file, the reason and what to do.
options:
  url: {description: Address., type: str, required: true}
  dest: {description: File on the host., type: path, required: true}
  checksum: {description: "As C(ALGORITHM:DIGEST); none is checked where it is empty.", type: str, default: ""}
  cure: {description: "What the reader can do, a whole sentence.", type: str, required: true}
extends_documentation_fragment: twinport.no_diff
"""

EXAMPLES = r"""
- name: Download an image
  host_download:
    url: https://files.example/image.tar
    dest: /opt/twinport/image.tar
    cure: Correct the address.
"""

RETURN = r"""
status_code: {description: The server's answer., type: int, returned: success}
"""
