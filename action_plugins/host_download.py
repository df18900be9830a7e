# SPDX-License-Identifier: Apache-2.0
"""The work of the Ansible module `host_download`: a download, and a failure that names address and reason."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

_ARGUMENTS = {
    "url": {"type": "str", "required": True},
    "dest": {"type": "path", "required": True},
    "checksum": {"type": "str", "default": ""},
    "cure": {"type": "str", "required": True},
}
_TIMEOUT_S = 60


class ActionModule(ActionBase):
    """Runs `ansible.builtin.get_url` on the host."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """What get_url returns; the message of a failure names the address, the reason and the cure."""
        result = super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(_ARGUMENTS)
        given = {"url": options["url"], "dest": options["dest"], "mode": "0644", "timeout": _TIMEOUT_S}
        if options["checksum"]:
            given["checksum"] = options["checksum"]
        done = self._execute_module("ansible.legacy.get_url", given, task_vars=task_vars)
        if done.get("failed") and not done.get("unreachable"):
            why = str(done.get("msg", "")).strip().rstrip(".") or "no reason was given"
            # Ansible would print the first message, not this one.
            done.pop("exception", None)
            done["msg"] = f"{options['url']} can't be downloaded to {options['dest']}: {why}. {options['cure']}"
        return {**result, **done}
