#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ansible module: one owner's settings in Docker's daemon.json, merged with what others put there."""

from __future__ import annotations

DOCUMENTATION = r"""
module: docker_daemon_json
short_description: Merge settings into Docker's daemon.json and take them out again
description:
  - Sets this owner's keys in C(daemon.json) and leaves all others unchanged.
  - Records in O(state_dir) what it set and the previous values. A setting that is no longer requested returns
    to that, so an empty O(settings) gives the file back as it was found.
  - Where the result says what the file said before the first change, its very text is put back.
  - Leaves defaults out that the unit decides by a flag, and refuses settings that are flags as well, because Docker
    does not start with both.
  - Validates the result with C(dockerd --validate) and the unit's flags where the installed Docker knows it, before it
    replaces the file. What an owner gives back is not validated.
  - Never restarts Docker, which is what M(docker_restart) is for; RV(restart) and RV(reload) say what is due, also
    after an earlier run that was interrupted.
options:
  owner:
    description: Who these settings belong to; every owner keeps only its own.
    type: str
    required: true
  settings:
    description: Keys to enforce.
    type: dict
    default: {}
  defaults:
    description: Keys to set only where nobody else has decided them. Log options go with their log driver.
    type: dict
    default: {}
  path:
    description: The file.
    type: path
    default: /etc/docker/daemon.json
  state_dir:
    description: Where the owner's record is kept, as I(owner).json.
    type: path
    required: true
  pending:
    description: Marker file for a pending restart, removed after the restart. Use a folder that a reboot clears.
    type: path
    default: /run/twinport-docker-restart-due
extends_documentation_fragment: twinport
"""

EXAMPLES = r"""
- name: Rotate logs and keep containers running while Docker restarts
  docker_daemon_json:
    owner: docker
    settings: {live-restore: true}
    defaults: {log-driver: json-file, log-opts: {max-size: 20m, max-file: "5"}}
    state_dir: /etc/twinport/docker
"""

RETURN = r"""
restart: {description: Whether dockerd must be restarted to take the file over., type: bool, returned: success}
reload: {description: Whether SIGHUP is enough., type: bool, returned: success}
settings: {description: The whole document as it is now., type: dict, returned: success}
actions: {description: What changed, type: list, elements: str, returned: success}
"""

import json
from pathlib import Path
from typing import Any, Dict, Mapping

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.daemon_file import DaemonFile, render
from ansible.module_utils.daemon_settings import Merge, fill, merge
from ansible.module_utils.dockerd_flags import clashes, settings_of
from ansible.module_utils.dockerd_unit import dockerd_arguments, refusal
from ansible.module_utils.host_commands import text_of

ARGUMENTS = {
    "owner": {"type": "str", "required": True},
    "settings": {"type": "dict", "default": {}},
    "defaults": {"type": "dict", "default": {}},
    "path": {"type": "path", "default": "/etc/docker/daemon.json"},
    "state_dir": {"type": "path", "required": True},
    "pending": {"type": "path", "default": "/run/twinport-docker-restart-due"},
}


class DaemonJson:
    """The file, this owner's record beside it, and the validation between reading and replacing them."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.path = Path(module.params["path"])
        self.file = DaemonFile(module.params["path"], module.params["state_dir"], module.params["owner"])
        self.pending = Path(module.params["pending"])
        self.arguments = dockerd_arguments()

    def read(self) -> Dict[str, Any]:
        """The current document; fails the task if it isn't a JSON object."""
        text = text_of(str(self.path))
        if not text.strip():
            return {}
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            self.module.fail_json(
                msg="{0} is not valid JSON ({1}). Docker itself can't read it: correct or remove it, then run this "
                "again.".format(self.path, error)
            )
        if not isinstance(document, dict):
            self.module.fail_json(
                msg="{0} is not a JSON object. Correct or remove it, then run this again.".format(self.path)
            )
        return document

    def validate(self, settings: Mapping[str, Any], text: str) -> None:
        """Fail the task where Docker would not start with the new file; old versions can't tell that in full."""
        clashing = clashes(settings, settings_of(self.arguments))
        if clashing:
            self.module.fail_json(
                msg="Docker does not start with a setting both in {0} and as a flag of docker.service: {1}. Nothing "
                "was changed; take the flag out of the unit (`systemctl cat docker` names its file), or correct the "
                "variable that sets it.".format(self.path, ", ".join("{0} ({1})".format(*clash) for clash in clashing))
            )
        refused = refusal(text, self.arguments)
        if refused:
            self.module.fail_json(
                msg="Docker refuses the settings for {0}: {1} Nothing was changed; correct the variables that set "
                "them.".format(self.path, refused)
            )

    def undecided(self) -> Dict[str, Any]:
        """The defaults that no flag of the unit decides; log options go with their driver."""
        flags = settings_of(self.arguments)
        decided = {*flags, "log-opts"} if "log-driver" in flags else set(flags)
        return {name: value for name, value in self.module.params["defaults"].items() if name not in decided}

    def apply(self) -> None:
        """Merge, validate, replace, and report whether a reload or a restart is due."""
        document, holdings = self.read(), self.file.holdings()
        settings = dict(fill(document, holdings, self.undecided()), **self.module.params["settings"])
        result = merge(document, holdings, settings)
        before, after = render(document), render(result.document)
        due = self.pending.exists()
        if result.actions and settings:
            self.validate(settings, after)
        if not self.module.check_mode:
            self.write(result)
        self.module.exit_json(
            changed=bool(result.actions) or due,
            restart=due or (bool(result.actions) and result.restart),
            reload=bool(result.actions) and not result.restart,
            settings=result.document,
            actions=list(result.actions) or (["restart Docker, which an earlier run left undone"] if due else []),
            diff={"before": before, "after": after, "before_header": str(self.path), "after_header": str(self.path)},
        )

    def write(self, result: Merge) -> None:
        """Write the record and the file, and before them the marker of a restart that they make due."""
        if result.actions and result.restart:
            self.pending.touch()
        self.file.store(result)


def main() -> None:
    """Run the module."""
    DaemonJson(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)).apply()


if __name__ == "__main__":
    main()
