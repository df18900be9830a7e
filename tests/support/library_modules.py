"""The repository's Ansible modules as Python modules."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import ansible.module_utils

ROOT = Path(__file__).resolve().parents[2]


def add_module_utils() -> None:
    """Let ``ansible.module_utils`` find what ansible.cfg's ``module_utils`` names: that folder, and the doctor."""
    for folder in (ROOT / "module_utils", ROOT):
        if str(folder) not in ansible.module_utils.__path__:
            ansible.module_utils.__path__.append(str(folder))


def run_module(
    name: str,
    arguments: Mapping[str, object],
    *,
    programs: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """A module's answer, run as Ansible does, in a process of its own.

    Args:
        name: of the module.
        arguments: its options, and Ansible's own such as ``_ansible_check_mode``.
        programs: a folder whose programs come before those of PATH.
        environment: added to this process's own.
    """
    path = ":".join([*([str(programs)] if programs else []), os.environ["PATH"]])
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.run_module", name],
        input=json.dumps(arguments),
        cwd=ROOT,
        env={**os.environ, "PATH": path, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def load_library_module(name: str, folder: str = "library") -> ModuleType:
    """``<folder>/<name>.py``, with our module_utils where Ansible puts them when it packs a module."""
    add_module_utils()
    spec = importlib.util.spec_from_file_location(f"{folder}_{name}", ROOT / folder / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
