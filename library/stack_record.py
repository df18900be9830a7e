#!/usr/bin/python
"""Ansible module: notes what compose has brought up, so that a later run sees whether there is anything to do."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_record
short_description: Note what compose has brought up
description:
  - Notes everything that compose looks at when it is asked to bring a project up. Called where compose has just done so
    with success. While all of it stays the same, compose would find nothing to do, and M(stack_survey) says so.
  - The note is the role's own and no state of the host, so that it never counts as a change.
options:
  project:
    description: The compose project.
    type: str
    required: true
  project_dir:
    description: The folder of its files.
    type: path
    required: true
  path:
    description: Where to note it.
    type: path
    required: true
attributes:
  check_mode:
    support: full
    description: Notes nothing.
  diff_mode: {support: none}
  idempotent: {support: full}
author: Twinport
"""

EXAMPLES = r"""
- name: Note what was brought up
  stack_record:
    project: twinport-video
    project_dir: /opt/twinport/video
    path: /opt/twinport/video/.brought-up.json
"""

RETURN = r""" # """

import json

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.brought_up import brought_up, compose_version
from ansible.module_utils.durable_files import replace_file


def main():
    """Look and note."""
    module = AnsibleModule(
        argument_spec={
            "project": {"type": "str", "required": True},
            "project_dir": {"type": "path", "required": True},
            "path": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    params = module.params
    if not module.check_mode:
        found = brought_up(params["project"], params["project_dir"], compose_version())
        replace_file(params["path"], json.dumps(found, sort_keys=True).encode(), 0o600)
    module.exit_json(changed=False)


if __name__ == "__main__":
    main()
