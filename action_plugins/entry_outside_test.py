# SPDX-License-Identifier: Apache-2.0
"""The work of the Ansible module `entry_outside_test`: asks both entries from the control machine."""

from __future__ import annotations

from pathlib import Path

import ansible.module_utils
from ansible.plugins.action import ActionBase

# Ansible puts the repository's module_utils beside its own when it packs a module; here they are asked for unpacked.
_MODULE_UTILS = str(Path(__file__).resolve().parents[1] / "module_utils")
if _MODULE_UTILS not in ansible.module_utils.__path__:
    ansible.module_utils.__path__.append(_MODULE_UTILS)

from ansible.module_utils.entry_test import ask_outside  # noqa: E402

_ARGUMENTS = {
    "voice_url": {"type": "str", "required": True},
    "video_url": {"type": "str", "required": True},
    "api_key": {"type": "str", "default": "", "no_log": True},
    "closed_ports": {"type": "list", "elements": "int", "default": []},
    "timeout": {"type": "int", "default": 600},
}


class ActionModule(ActionBase):
    """Asks in the process that has the host's task: as a module it would be one more program for each host."""

    def run(self, tmp=None, task_vars=None):
        """Make all checks."""
        result = super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(_ARGUMENTS)
        if self._task.check_mode:
            return {**result, "changed": False, "ok": True, "checks": []}
        report = ask_outside(options)
        return {**result, "changed": False, "ok": report.ok, "checks": report.checks}
