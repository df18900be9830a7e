"""Each role's defaults, its argument specification and its README tell the same story."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROLES = sorted(path for path in Path("roles").iterdir() if path.is_dir())


def load(path: Path) -> dict[str, Any]:
    """A YAML file as a mapping; an empty or missing file is an empty mapping."""
    return dict(yaml.safe_load(path.read_text()) or {}) if path.exists() else {}


def options(role: Path) -> dict[str, Any]:
    """The options of the role's main entry point."""
    return dict(load(role / "meta/argument_specs.yml")["argument_specs"]["main"].get("options") or {})


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_every_default_is_specified_with_the_same_value(role: Path) -> None:
    specified = {name: option.get("default") for name, option in options(role).items() if not option.get("required")}
    assert specified == load(role / "defaults/main.yml")


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_variables_carry_the_role_as_prefix(role: Path) -> None:
    assert all(name.startswith(f"{role.name}_") for name in load(role / "defaults/main.yml"))
    assert all(name.startswith(f"_{role.name}_") for name in load(role / "vars/main.yml"))


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_every_variable_is_in_the_readme(role: Path) -> None:
    readme = (role / "README.md").read_text()
    assert not [name for name in options(role) if f"`{name}`" not in readme]
