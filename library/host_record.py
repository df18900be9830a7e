#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ansible module: notes a host as it was found, gives units their states back, and tells what differs at the end."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_record
short_description: Record a host as it was found, and compare it with that later
description:
  - "O(state=taken): writes packages, units, containers, Docker's networks, listening ports, sysctls and the files where
    Twinport's roles write, with their checksums. An existing record stays. It is our own note and no state of the
    host, so it never counts as a change."
  - "O(state=restored): enables, disables and stops the O(units) as they were, as long as nobody else's containers need
    them, and returns what differs from the record."
options:
  path: {description: File of the record., type: path, required: true}
  state: {description: What to do., type: str, choices: [taken, restored], default: taken}
  units:
    description: Units that the roles enable and start.
    type: list
    elements: str
    default: [docker.socket, docker.service, containerd.service]
extends_documentation_fragment: twinport.no_diff
"""

EXAMPLES = r"""
- name: Record the host as it was found
  host_record:
    path: /var/lib/twinport/host-record.json
"""

RETURN = r"""
recorded: {description: Whether there is a record to compare with., type: bool, returned: success}
actions: {description: What was or would be done., type: list, elements: str, returned: success}
differences: {description: What differs from the record., type: list, elements: str, returned: success}
kept: {description: "What stays on purpose: sentence, reason.", type: list, elements: dict, returned: success}
"""

import json
from pathlib import Path
from typing import List

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.docker_containers import running_containers
from ansible.module_utils.durable_files import replace_file
from ansible.module_utils.host_commands import text_of
from ansible.module_utils.host_record import Record, compare, units_to_undo
from ansible.module_utils.host_record_probe import take_record

ARGUMENTS = {
    "path": {"type": "path", "required": True},
    "state": {"type": "str", "choices": ["taken", "restored"], "default": "taken"},
    "units": {
        "type": "list",
        "elements": "str",
        "default": ["docker.socket", "docker.service", "containerd.service"],
    },
}


def read_record(path: str) -> Record:
    """The record, {} where there is none that can be read."""
    try:
        found = json.loads(text_of(path, limit=50_000_000) or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def take(module: AnsibleModule) -> None:
    """Write the record unless there is one."""
    path = module.params["path"]
    if not Path(path).exists() and not module.check_mode:
        replace_file(path, json.dumps(take_record(), indent=1, sort_keys=True).encode(), 0o600)
    module.exit_json(changed=False, recorded=True, actions=[], differences=[], kept=[])


def restore(module: AnsibleModule) -> None:
    """Give the units their states back, and compare."""
    before = read_record(module.params["path"])
    if not before:
        module.exit_json(changed=False, recorded=False, actions=[], differences=[], kept=[])
    actions: List[str] = []
    now = take_record()
    for arguments in units_to_undo(before.get("units", {}), now["units"], module.params["units"]):
        if arguments[0] == "stop" and running_containers():
            continue
        actions.append(" ".join(["systemctl", *arguments]))
        if not module.check_mode:
            code, out, err = module.run_command(["systemctl", *arguments])
            if code:
                module.warn("{0}: {1}".format(actions[-1], (err or out).strip()))
    differences = compare(before, take_record() if actions else now)
    module.exit_json(
        changed=bool(actions),
        recorded=True,
        actions=actions,
        differences=[one.sentence for one in differences if not one.reason],
        kept=[{"sentence": one.sentence, "reason": one.reason} for one in differences if one.reason],
    )


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    {"taken": take, "restored": restore}[module.params["state"]](module)


if __name__ == "__main__":
    main()
