# SPDX-License-Identifier: Apache-2.0
"""The work of the Ansible module `entry_outside_test`: tests both entries from the control machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ansible.module_utils
from ansible.plugins.action import ActionBase

# Ansible puts the repository's module_utils beside its own when it packs a module; here they are imported unpacked.
_MODULE_UTILS = str(Path(__file__).resolve().parents[1] / "module_utils")
if _MODULE_UTILS not in ansible.module_utils.__path__:
    ansible.module_utils.__path__.append(_MODULE_UTILS)

from ansible.module_utils.entry_client import ENTRY_OPTIONS  # noqa: E402
from ansible.module_utils.entry_test import ask_outside  # noqa: E402

_ARGUMENTS = {
    **ENTRY_OPTIONS,
    "closed_ports": {"type": "list", "elements": "int", "default": []},
    "timeout": {"type": "int", "default": 600},
}


class ActionModule(ActionBase):
    """Asks in the process that has the host's task: as a module it would be one more program for each host."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Make all checks."""
        result = super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(_ARGUMENTS)
        if self._task.check_mode:
            return {**result, "changed": False, "ok": True, "checks": []}
        report = ask_outside(options)
        return {**result, "changed": False, "ok": report.ok, "checks": report.checks}
