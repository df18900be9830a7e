# SPDX-License-Identifier: Apache-2.0
"""The work of the Ansible module `control_report`: writes a report on the control machine."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

_ARGUMENTS = {"path": {"type": "path", "required": True}, "content": {"type": "str", "required": True}}


def write(path: Path, content: str) -> None:
    """Write beside the file's name, then rename; raises OSError where the folder can't be made or written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".report-") as folder:
        beside = Path(folder) / path.name
        beside.write_text(content, encoding="utf-8")
        beside.chmod(0o644)
        beside.replace(path)


class ActionModule(ActionBase):
    """Writes in the process that has the host's task: as a module it would be one more program for each host."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Write, but not in check mode."""
        result = super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(_ARGUMENTS)
        try:
            if not self._task.check_mode:
                write(Path(options["path"]), options["content"])
        except OSError as error:
            raise AnsibleActionFail(f"The report could not be written: {error}") from error
        return {**result, "changed": False}
