# SPDX-License-Identifier: Apache-2.0
"""The work of the Ansible module `await_engine`: follows an engine's start and prints its progress."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ansible.module_utils
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

# Ansible puts the repository's module_utils beside its own when it packs a module; here they are imported unpacked.
_MODULE_UTILS = str(Path(__file__).resolve().parents[1] / "module_utils")
if _MODULE_UTILS not in ansible.module_utils.__path__:
    ansible.module_utils.__path__.append(_MODULE_UTILS)

from ansible.module_utils.engine_start import HEALTH_SCRIPT, EngineStart, Limits  # noqa: E402

_ARGUMENTS = {
    "container": {"type": "str", "required": True},
    "model": {"type": "str", "required": True},
    "url": {"type": "str", "default": "http://127.0.0.1:50000/health"},
    "timeout": {"type": "float", "required": True},
    "most_failures": {"type": "int", "default": 10},
    "poll_seconds": {"type": "float", "default": 5},
}


class ActionModule(ActionBase):
    """Polls in one task, so that each line of progress is a line of output and not a task."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Follow until the engine is ready; fails where it can't start, does not stay up or takes too long."""
        result = super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(_ARGUMENTS)
        if self._task.check_mode:
            return {**result, "changed": False, "skipped": True, "msg": "A real run would wait for the engine."}
        values = task_vars or {}
        limits = Limits(timeout=options["timeout"], most_failures=options["most_failures"])
        start = EngineStart(options["model"], options["container"], limits, time.monotonic())
        while True:
            seen = start.observe(self._health(options, values), time.monotonic())
            if seen.failure:
                raise AnsibleActionFail(seen.failure)
            if seen.line:
                self._display.display(f"{values.get('inventory_hostname', 'host')}: {seen.line}")
            if seen.ready:
                return {**result, "changed": False, "msg": seen.line}
            # A container that was found stopped gets more time to restart each time.
            time.sleep(options["poll_seconds"] * max(1, start.failures))

    def _health(self, options: Mapping[str, Any], values: dict[str, Any]) -> dict[str, Any] | None:
        """The engine's own answer; None where its container is down. Raises AnsibleActionFail without the host."""
        command = ["docker", "exec", options["container"], "python3", "-c", HEALTH_SCRIPT, options["url"]]
        done = self._execute_module("ansible.legacy.command", {"argv": command}, task_vars=values)
        if done.get("unreachable"):
            raise AnsibleActionFail(f"The host can't be reached any more: {done.get('msg')}")
        if done.get("rc") != 0:
            return None
        try:
            health = json.loads(done["stdout"])
        except ValueError:
            return {"state": "unreachable"}
        return health if isinstance(health, dict) else {"state": "unreachable"}
