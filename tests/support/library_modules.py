"""The repository's Ansible modules as Python modules."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import ansible.module_utils

ROOT = Path(__file__).resolve().parents[2]


def add_module_utils() -> None:
    """Let ``ansible.module_utils`` find what ansible.cfg's ``module_utils`` names: that folder, and the doctor."""
    for folder in (ROOT / "module_utils", ROOT):
        if str(folder) not in ansible.module_utils.__path__:
            ansible.module_utils.__path__.append(str(folder))


def load_library_module(name: str, folder: str = "library") -> ModuleType:
    """``<folder>/<name>.py``, with our module_utils where Ansible puts them when it packs a module."""
    add_module_utils()
    spec = importlib.util.spec_from_file_location(f"{folder}_{name}", ROOT / folder / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
