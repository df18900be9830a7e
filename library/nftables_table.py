#!/usr/bin/python
"""Ansible module: one nftables table, applied so that a mistake undoes itself."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nftables_table
short_description: Apply one nftables table under a dead-man timer
description:
  - "O(state=applied): validates the ruleset with C(nft -c), arms a systemd timer that puts the old table back, and
    loads the new one. Nothing is persisted yet, so a reboot rolls back as well."
  - "O(state=confirmed): called over a fresh connection, which proves that the host can still be reached: disarms the
    timer and makes the ruleset the one that O(path) holds for the next boot."
  - "O(state=absent): deletes the table and its files."
  - A table that somebody has changed by hand since is loaded anew.
options:
  name: {description: Name of the table; its family is inet., type: str, required: true}
  state: {description: What to do., type: str, choices: [applied, confirmed, absent], default: applied}
  ruleset: {description: "The whole file, in nft's language, deleting the old table itself.", type: str}
  path: {description: Where the confirmed ruleset lies., type: path, required: true}
  state_dir: {description: Where the kernel's listing of the loaded table is kept., type: path, required: true}
  rollback_after: {description: Seconds until an unconfirmed table is rolled back., type: int, default: 60}
attributes:
  check_mode: {support: full}
  diff_mode: {support: full}
  idempotent: {support: full}
author: Twinport
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

    def __init__(self, module):
        self.module = module
        self.name = module.params["name"]
        self.path = Path(module.params["path"])
        state = Path(module.params["state_dir"])
        self.candidate = state / "candidate.nft"
        self.previous = state / "previous.nft"
        self.listing = state / "loaded.txt"
        self.timer = "{0}-firewall-rollback".format(self.name)
        self.nft = nft_program()

    def apply(self):
        """Load the ruleset unless file and kernel already agree with it."""
        ruleset = self.module.params["ruleset"]
        before, live = text_of(str(self.path)), kernel_table(self.name)
        if before == ruleset and live and live == text_of(str(self.listing)):
            self.module.exit_json(changed=False, actions=[])
        action = (
            "load the table" if before != ruleset else "load the table again: the one in the kernel was changed or gone"
        )
        if not self.module.check_mode:
            self.load(ruleset, live)
        header = str(self.path)
        self.module.exit_json(
            changed=True,
            actions=[action],
            diff={"before": before, "after": ruleset, "before_header": header, "after_header": header},
        )

    def load(self, ruleset, live):
        """Validate, arm the timer, load."""
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
            "The timer that would undo a mistake can't be armed, so nothing was changed",
        )
        self.run([self.nft, "--file", str(self.candidate)], "nft refuses the ruleset, and nothing was changed")

    def confirm(self):
        """Keep what was applied."""
        if not self.candidate.exists():
            self.module.exit_json(changed=False, actions=[])
        if not self.module.check_mode:
            live = kernel_table(self.name)
            if live == self.rolled_back():
                self.module.fail_json(
                    msg="The new firewall had already been rolled back when it was to be confirmed. Run this again."
                )
            self.disarm()
            replace_file(str(self.path), text_of(str(self.candidate)).encode(), 0o600)
            replace_file(str(self.listing), live.encode(), 0o600)
            self.candidate.unlink()
            self.previous.unlink()
        self.module.exit_json(changed=True, actions=["keep the table"])

    def rolled_back(self):
        """The listing that the kernel shows once the timer has fired."""
        return "".join(text_of(str(self.previous)).splitlines(keepends=True)[2:])

    def remove(self):
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

    def disarm(self):
        """Stop the timer, if one is armed."""
        self.module.run_command(["systemctl", "stop", self.timer + ".timer"])
        self.module.run_command(["systemctl", "reset-failed", self.timer + ".service"])

    def run(self, command, sentence):
        """Run a command; fail the task with a sentence and the command's own words."""
        code, out, err = self.module.run_command(command)
        if code:
            self.module.fail_json(msg="{0}: {1}".format(sentence, (err or out).strip()))


def main():
    """Run the module."""
    module = AnsibleModule(
        argument_spec=ARGUMENTS, required_if=[("state", "applied", ["ruleset"])], supports_check_mode=True
    )
    table = NftablesTable(module)
    {"applied": table.apply, "confirmed": table.confirm, "absent": table.remove}[module.params["state"]]()


if __name__ == "__main__":
    main()
