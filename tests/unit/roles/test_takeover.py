"""What preflight says will be stopped is what the roles stop."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml


@pytest.mark.parametrize("role", ["cosyvoice", "duix"])
def test_preflight_and_role_know_the_same_containers(role: str) -> None:
    promised = yaml.safe_load(Path("roles/preflight/vars/main.yml").read_text(encoding="utf-8"))["_preflight_engines"][
        role
    ]
    tasks = yaml.safe_load(Path(f"roles/{role}/tasks/main.yml").read_text(encoding="utf-8"))
    (stack,) = (task["vars"] for task in tasks if "compose_stack_name" in task.get("vars", {}))
    assert promised["image"] == stack["compose_stack_image_pattern"]
    assert set(promised["names"]) <= set(stack["compose_stack_container_names"])
