#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ansible module: notes what compose has brought up, so that a later run sees whether there is anything to do."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_record
short_description: Note what compose has brought up
description:
  - Records everything that compose examines when it starts a project. Called after compose has started it
    successfully. While all of it stays the same, compose would find nothing to do, and M(stack_survey) reports that.
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
extends_documentation_fragment: twinport.no_diff
"""

EXAMPLES = r"""
- name: Record what was started
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


def main() -> None:
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
