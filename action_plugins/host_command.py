# SPDX-License-Identifier: Apache-2.0
"""The work of the Ansible module `host_command`: a command, and a failure that says in a sentence what went wrong."""

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
    "argv": {"type": "list", "elements": "str", "required": True},
    "purpose": {"type": "str", "required": True},
    "cure": {"type": "str", "required": True},
}


class ActionModule(ActionBase):
    """Runs `ansible.builtin.command` on the host, and chooses from its output what says why it failed."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """What command returns; the message of a failure begins with the purpose and ends with the cure."""
        result = super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(_ARGUMENTS)
        done = self._execute_module("ansible.legacy.command", {"argv": options["argv"]}, task_vars=task_vars)
        if done.get("failed") and not done.get("unreachable"):
            output = f"{done.get('stdout', '')}\n{done.get('stderr', '')}"
            why = last_words(output) or str(done.get("msg", "")).strip() or "no reason was given"
            # Ansible would print the first message, not this one.
            done.pop("exception", None)
            done["msg"] = f"{options['purpose']} failed: {why.rstrip('.')}. {options['cure']}"
        return {**result, **done}
