"""What preflight says will be stopped is what the roles stop."""

from __future__ import annotations

import re
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
    own = Path(f"roles/{role}/vars/main.yml").read_text(encoding="utf-8")
    assert all(f"container_name: {name}\n" in own for name in promised["names"])


def test_preflight_and_front_know_the_same_images() -> None:
    promised = yaml.safe_load(Path("roles/preflight/vars/main.yml").read_text(encoding="utf-8"))["_preflight_engines"]
    front = yaml.safe_load(Path("roles/front/vars/main.yml").read_text(encoding="utf-8"))["_front_engine_images"]
    for image in (
        "cosyvoice:v1.0",
        "registry.example/guiji2025/duix.avatar-5090@sha256:1",
        "guiji2025/heygem.ai",
        "postgres:17",
    ):
        taken_over = any(re.search(engine["image"], image) for engine in promised.values())
        assert bool(re.search(front, image)) is taken_over, image
