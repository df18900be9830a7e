#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ansible module: keeps a host reachable while Docker's networks come up."""

from __future__ import annotations

DOCUMENTATION = r"""
module: connection_guard
short_description: Stop Docker again where its networks cut off whoever is connected
description:
  - "O(state=armed): starts a program on the host that watches the way to everybody who is connected, for O(seconds).
    Where that way begins to lead into a bridge of Docker's, it stops and disables Docker and deletes Docker's bridges."
  - "O(state=checked): fails where that has happened."
  - Where it happened in an earlier run, and Docker's settings are as they were, O(state=armed) fails before Docker is
    started once more.
options:
  state: {description: What to do., type: str, choices: [armed, checked], required: true}
  seconds: {description: How long to watch., type: int, default: 3600}
  path: {description: Docker's settings., type: path, default: /etc/docker/daemon.json}
  state_dir: {description: Folder for the note of what happened., type: path, required: true}
extends_documentation_fragment: twinport.no_diff
"""

EXAMPLES = r"""
- name: Watch the way to whoever is connected
  connection_guard:
    state: armed
    state_dir: /etc/twinport/docker
"""

RETURN = r"""
peers: {description: The addresses that are watched., type: list, elements: str, returned: success}
"""

import inspect
import ipaddress
import json
import sys
from pathlib import Path
from typing import Any, Dict, List, NoReturn

from ansible.module_utils import route_guard
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.durable_files import replace_file
from ansible.module_utils.host_commands import text_of
from ansible.module_utils.socket_table import peers

ARGUMENTS = {
    "state": {"type": "str", "choices": ["armed", "checked"], "required": True},
    "seconds": {"type": "int", "default": 3600},
    "path": {"type": "path", "default": "/etc/docker/daemon.json"},
    "state_dir": {"type": "path", "required": True},
}
UNIT = "twinport-connection-guard"
# The settings that decide which addresses Docker takes.
ADDRESSES = ("bip", "bip6", "bridge", "fixed-cidr", "fixed-cidr-v6", "default-address-pools")


class ConnectionGuard:
    """The program that watches, and its note."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        folder = Path(module.params["state_dir"])
        self.note = folder / "connection-lost.json"
        self.tried = folder / "connection-settings.json"

    def arm(self) -> NoReturn:
        """Start watching. Fails where Docker is known to cut the connection with the settings that it has."""
        settings = json.dumps(self.addresses(), sort_keys=True)
        if self.note.exists() and text_of(str(self.tried)) == settings:
            self.fail()
        others = connected()
        if others and not self.module.check_mode:
            self.forget()
            replace_file(str(self.tried), settings.encode(), 0o600)
            self.start(others)
        self.module.exit_json(changed=False, peers=others)

    def addresses(self) -> Dict[str, Any]:
        """Docker's settings of its addresses; what it does not understand, Docker does not either."""
        try:
            document = json.loads(text_of(self.module.params["path"]) or "{}")
        except ValueError:
            return {}
        return {key: document[key] for key in ADDRESSES if isinstance(document, dict) and key in document}

    def start(self, others: List[str]) -> None:
        """Run the program apart from this connection, which it must survive."""
        self.module.run_command(["systemctl", "stop", UNIT + ".service"])
        self.module.run_command(["systemctl", "reset-failed", UNIT + ".service"])
        program = [sys.executable, "-c", inspect.getsource(route_guard)]
        arguments = [str(self.note), str(self.module.params["seconds"]), *others]
        code, out, err = self.module.run_command(["systemd-run", "--unit=" + UNIT, "--collect", *program, *arguments])
        if code:
            self.module.fail_json(
                msg="The guard of this connection can't be started, and nothing was changed: {0}".format(
                    (err or out).strip()
                )
            )

    def check(self) -> NoReturn:
        """Fail where Docker was stopped; otherwise the program goes on by itself."""
        if self.note.exists():
            self.fail()
        self.module.exit_json(changed=False, peers=[])

    def forget(self) -> None:
        """Remove the note of an earlier run."""
        if self.note.exists():
            self.note.unlink()

    def fail(self) -> NoReturn:
        """End the task with what happened and what to do."""
        found = self.found()
        self.module.fail_json(
            msg=(
                "Docker's network {device} took the addresses of {peer}, which is connected to this host, so Docker "
                "was stopped and disabled. Set bip and default-address-pools in docker_daemon_settings to ranges that "
                "nobody uses, such as "
                "{{bip: 10.200.0.1/24, default-address-pools: [{{base: 10.201.0.0/16, size: 24}}]}}."
            ).format(device=found.get("device", "?"), peer=found.get("peer", "?"))
        )

    def found(self) -> Dict[str, str]:
        """The note of the program."""
        try:
            document: Dict[str, str] = json.loads(text_of(str(self.note)))
        except ValueError:
            return {}
        return document


def connected() -> List[str]:
    """Addresses at the other end of this host's connections, but for the host's own."""
    found = peers(text_of("/proc/net/tcp")) + peers(text_of("/proc/net/tcp6"))
    return [address for address in found if not ipaddress.ip_address(address).is_loopback]


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    guard = ConnectionGuard(module)
    if module.params["state"] == "armed":
        guard.arm()
    guard.check()


if __name__ == "__main__":
    main()
