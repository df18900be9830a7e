"""No task of a role can fail without naming the address, the file, the unit or the package concerned."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

# What fails in them without a word of the reason, and our module that says it.
SILENT = {
    "ansible.builtin.apt": "host_packages",
    "ansible.builtin.package": "host_packages",
    "ansible.builtin.get_url": "host_download",
    "ansible.builtin.systemd_service": "host_service",
    "ansible.builtin.service": "host_service",
}
# Minutes of work and screens of output: their failure is a sentence.
LONG = (["docker", "pull"], ["docker", "load"], ["docker", "buildx"], ["docker", "import"], ["docker", "build"])
FILES = [path for folder in ("tasks", "handlers") for path in sorted(Path("roles").glob(f"*/{folder}/*.yml"))]


def tasks(found: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The tasks of a file, those in blocks too."""
    for task in found:
        yield task
        for part in ("block", "rescue", "always"):
            yield from tasks(task.get(part, []))


def unexplained(task: dict[str, Any]) -> Iterator[str]:
    """What is wrong with a task, in a sentence each."""
    for module in SILENT.keys() & task.keys():
        # Reading all units anew concerns none of them.
        if "name" in task[module] or "url" in task[module]:
            yield f"{task['name']}: use {SILENT[module]}"
    command = task.get("ansible.builtin.command")
    words = command.get("argv", []) if isinstance(command, dict) else []
    if isinstance(words, list) and words[:2] in LONG:
        yield f"{task['name']}: use host_command"


@pytest.mark.parametrize("file", FILES, ids=str)
def test_every_failure_names_what_is_at_fault(file: Path) -> None:
    found = tasks(yaml.safe_load(file.read_text(encoding="utf-8")) or [])
    assert not [sentence for task in found for sentence in unexplained(task)]


def test_a_silent_task_is_found() -> None:
    reload = {"name": "Reload", "ansible.builtin.systemd_service": {"daemon_reload": True}}
    restart = {"name": "Restart", "ansible.builtin.systemd_service": {"name": "docker", "state": "restarted"}}
    pull = {"name": "Pull", "ansible.builtin.command": {"argv": ["docker", "pull", "x"]}}
    assert list(unexplained(reload)) == []
    assert list(unexplained(restart)) == ["Restart: use host_service"]
    assert list(unexplained(pull)) == ["Pull: use host_command"]
