#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ansible module: one nftables table, applied with automatic rollback."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nftables_table
short_description: Apply one nftables table with a rollback timer
description:
  - "O(state=applied): validates the ruleset with C(nft -c), arms a systemd timer that puts the old table back, and
    loads the new one. Nothing is persisted yet, so a reboot rolls back as well."
  - "O(state=confirmed): called over a fresh connection, which proves that the host can still be reached: disarms the
    timer and makes the ruleset the one that O(path) holds for the next boot."
  - "O(state=absent): deletes the table and its files."
  - A table that was changed by hand since is loaded again.
options:
  name: {description: Name of the table; its family is inet., type: str, required: true}
  state: {description: What to do., type: str, choices: [applied, confirmed, absent], default: applied}
  ruleset: {description: "The whole file, in nft's language, deleting the old table itself.", type: str}
  path: {description: Path of the confirmed ruleset., type: path, required: true}
  state_dir: {description: Folder of the kernel's listing of the loaded table., type: path, required: true}
  rollback_after: {description: Seconds until an unconfirmed table is rolled back., type: int, default: 60}
extends_documentation_fragment: twinport
"""

EXAMPLES = r"""
- name: Load the table
  nftables_table:
    name: twinport
    ruleset: "{{ lookup('template', 'table.nft.j2') }}"
    path: /etc/twinport/firewall.nft
    state_dir: /var/lib/twinport/firewall
"""

RETURN = r"""
actions: {description: What was or would be done., type: list, elements: str, returned: success}
"""

from pathlib import Path
from typing import Sequence

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.durable_files import replace_file
from ansible.module_utils.host_commands import text_of
from ansible.module_utils.nft_table import kernel_table, nft_program

ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["applied", "confirmed", "absent"], "default": "applied"},
    "ruleset": {"type": "str"},
    "path": {"type": "path", "required": True},
    "state_dir": {"type": "path", "required": True},
    "rollback_after": {"type": "int", "default": 60},
}


class NftablesTable:
    """The table in the kernel, its file for the next boot, and the timer between them."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.name = module.params["name"]
        self.path = Path(module.params["path"])
        state = Path(module.params["state_dir"])
        self.candidate = state / "candidate.nft"
        self.previous = state / "previous.nft"
        self.listing = state / "loaded.txt"
        self.timer = "{0}-firewall-rollback".format(self.name)
        self.nft = nft_program()

    def apply(self) -> None:
        """Load the ruleset unless file and kernel already agree with it."""
        ruleset = self.module.params["ruleset"]
        before, live = text_of(str(self.path)), kernel_table(self.name)
        if before == ruleset and live and live == text_of(str(self.listing)):
            self.module.exit_json(changed=False, actions=[])
        action = (
            "load the table" if before != ruleset else "load the table again: it was changed or deleted in the kernel"
        )
        if not self.module.check_mode:
            self.load(ruleset, live)
        header = str(self.path)
        self.module.exit_json(
            changed=True,
            actions=[action],
            diff={"before": before, "after": ruleset, "before_header": header, "after_header": header},
        )

    def load(self, ruleset: str, live: str) -> None:
        """Validate, start the timer, load."""
        replace_file(str(self.candidate), ruleset.encode(), 0o600)
        self.run(
            [self.nft, "--check", "--file", str(self.candidate)], "nft refuses the ruleset, and nothing was changed"
        )
        drop = "table inet {0}\ndelete table inet {0}\n".format(self.name)
        replace_file(str(self.previous), (drop + live).encode(), 0o600)
        self.disarm()
        self.run(
            [
                "systemd-run",
                "--unit=" + self.timer,
                "--on-active={0}s".format(self.module.params["rollback_after"]),
                "--timer-property=AccuracySec=1s",
                self.nft,
                "--file",
                str(self.previous),
            ],
            "The rollback timer can't be started, so nothing was changed",
        )
        self.run([self.nft, "--file", str(self.candidate)], "nft refuses the ruleset, and nothing was changed")

    def confirm(self) -> None:
        """Keep what was applied."""
        if not self.candidate.exists():
            self.module.exit_json(changed=False, actions=[])
        if not self.module.check_mode:
            live = kernel_table(self.name)
            # A ruleset may differ from the one before in its comments alone: then the timer tells.
            if live == self.rolled_back() and not self.armed():
                self.module.fail_json(
                    msg="The new firewall was rolled back before it could be confirmed. Run this again."
                )
            self.disarm()
            replace_file(str(self.path), text_of(str(self.candidate)).encode(), 0o600)
            replace_file(str(self.listing), live.encode(), 0o600)
            self.candidate.unlink()
            self.previous.unlink()
        self.module.exit_json(changed=True, actions=["keep the table"])

    def rolled_back(self) -> str:
        """The listing that the kernel shows once the timer has fired."""
        return "".join(text_of(str(self.previous)).splitlines(keepends=True)[2:])

    def remove(self) -> None:
        """Delete the table and its files."""
        files = [path for path in (self.path, self.candidate, self.previous, self.listing) if path.exists()]
        live = kernel_table(self.name)
        if not self.module.check_mode:
            self.disarm()
            if live:
                self.run([self.nft, "delete", "table", "inet", self.name], "The table can't be deleted")
            for path in files:
                path.unlink()
        self.module.exit_json(changed=bool(live or files), actions=["delete the table"] if live or files else [])

    def armed(self) -> bool:
        """Whether the timer is still to fire."""
        return bool(self.module.run_command(["systemctl", "is-active", "--quiet", self.timer + ".timer"])[0] == 0)

    def disarm(self) -> None:
        """Stop the timer if it runs."""
        self.module.run_command(["systemctl", "stop", self.timer + ".timer"])
        self.module.run_command(["systemctl", "reset-failed", self.timer + ".service"])

    def run(self, command: Sequence[str], sentence: str) -> None:
        """Run a command; fail the task with a sentence and the command's own error."""
        code, out, err = self.module.run_command(command)
        if code:
            self.module.fail_json(msg="{0}: {1}".format(sentence, (err or out).strip()))


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec=ARGUMENTS, required_if=[("state", "applied", ["ruleset"])], supports_check_mode=True
    )
    table = NftablesTable(module)
    {"applied": table.apply, "confirmed": table.confirm, "absent": table.remove}[module.params["state"]]()


if __name__ == "__main__":
    main()
