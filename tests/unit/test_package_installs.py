"""Every task that installs packages goes through the proxy that the inventory names, and refreshes the lists first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

# It refreshes the lists by itself.
OURS = "host_packages"
MODULES = {OURS, "ansible.builtin.dnf"}


def tasks(found: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The tasks of a file, those in blocks too."""
    for task in found:
        yield task
        for part in ("block", "rescue", "always"):
            yield from tasks(task.get(part, []))


def installs() -> Iterator[Any]:
    """The tasks of all roles that make sure of packages."""
    for file in sorted(Path("roles").glob("*/tasks/*.yml")):
        for task in tasks(yaml.safe_load(file.read_text(encoding="utf-8")) or []):
            for module in MODULES & set(task):
                if module == OURS or task[module].get("state") == "present":
                    yield pytest.param(task, module, id=f"{file.parts[1]}: {task['name']}")


@pytest.mark.parametrize(("task", "module"), list(installs()))
def test_packages_come_through_the_proxy_by_fresh_lists(task: dict[str, Any], module: str) -> None:
    assert "environment" in task
    assert module == OURS or task[module].get("update_cache") is True


def test_the_roles_do_install_packages() -> None:
    assert len(list(installs())) >= 8
