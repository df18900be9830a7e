# SPDX-License-Identifier: Apache-2.0
"""The work of the Ansible module `host_service`: systemd's work, and a failure with the unit's own last words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ansible.module_utils
from ansible.plugins.action import ActionBase

# Ansible puts the repository's module_utils beside its own when it packs a module; here they are imported unpacked.
_MODULE_UTILS = str(Path(__file__).resolve().parents[1] / "module_utils")
if _MODULE_UTILS not in ansible.module_utils.__path__:
    ansible.module_utils.__path__.append(_MODULE_UTILS)

from ansible.module_utils.last_words import last_words  # noqa: E402

_ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["started", "stopped", "restarted", "reloaded"]},
    "enabled": {"type": "bool"},
    "daemon_reload": {"type": "bool", "default": False},
}


class ActionModule(ActionBase):
    """Runs `ansible.builtin.systemd_service` on the host, and reads the journal where it fails."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """What systemd_service returns; the message of a failure names the unit and what it said."""
        result = super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(_ARGUMENTS)
        given = {name: value for name, value in options.items() if value is not None}
        done = self._execute_module("ansible.legacy.systemd_service", given, task_vars=task_vars)
        if done.get("failed"):
            # Ansible would print the first message, not this one.
            done.pop("exception", None)
            done["msg"] = self._sentence(options, str(done.get("msg", "")), task_vars or {})
        return {**result, **done}

    def _sentence(self, options: dict[str, Any], said: str, values: dict[str, Any]) -> str:
        unit = options["name"]
        # A service also fails because of its socket.
        pattern = f"{unit.partition('.')[0]}.*"
        command = ["journalctl", "--unit", pattern, "--lines", "60", "--output", "cat", "--no-pager"]
        log = self._execute_module("ansible.legacy.command", {"argv": command}, task_vars=values)
        words = last_words(str(log.get("stdout", "")))
        why = words or said.strip() or "no reason was given"
        wanted = options["state"] or "enabled or disabled"
        more = f"Correct that, then run this again; `journalctl --unit '{pattern}'` tells more."
        return f"{unit} could not be {wanted}: {why.rstrip('.')}. {more}"
