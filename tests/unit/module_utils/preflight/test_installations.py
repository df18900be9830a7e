"""What preflight tries beforehand is what the roles will install."""

from __future__ import annotations

from typing import Any

import pytest

from module_utils.docker_installation import Plan
from module_utils.preflight.installations import coming_installations

DISTRIBUTION = Plan("distribution", ("docker.io", "docker-compose"))
CE = Plan("ce", ("docker-ce",))
PARAMS: dict[str, Any] = {"docker_source": "auto", "docker_package_versions": {}, "packages": []}


@pytest.mark.parametrize(
    ("plan", "installed", "packages", "others"),
    [
        (DISTRIBUTION, {}, ("docker.io", "docker-compose"), False),
        (DISTRIBUTION, {"docker.io": "26"}, ("docker-compose",), False),
        (DISTRIBUTION, {"docker.io": "26", "docker-compose": "2"}, (), False),
        (CE, {}, (), True),
        (CE, {"docker-ce": "28"}, (), False),
        (None, {}, (), False),
    ],
)
def test_dockers_missing_packages_are_tried_where_its_source_is_there(
    plan: Plan | None, installed: dict[str, str], packages: tuple[str, ...], others: bool
) -> None:
    found, further = coming_installations(plan, "none", installed, PARAMS)
    assert tuple(name for one in found for name in one.names) == packages
    assert further is others


def test_a_pinned_version_is_tried_as_such() -> None:
    found, _others = coming_installations(
        DISTRIBUTION, "none", {"docker-compose": "2"}, {**PARAMS, "docker_package_versions": {"docker.io": "26"}}
    )
    assert found[0].names == ("docker.io=26",)


@pytest.mark.parametrize(
    ("kind", "source", "removals"), [("none", "auto", True), ("ce", "auto", False), ("ce", "distribution", True)]
)
def test_beside_a_docker_that_is_kept_nothing_may_be_removed(kind: str, source: str, removals: bool) -> None:
    found, _others = coming_installations(DISTRIBUTION, kind, {}, {**PARAMS, "docker_source": source})
    assert found[0].options["removals"] is removals


def test_a_program_that_is_there_needs_no_package() -> None:
    wanted = [
        {"program": "sh", "names": ["dash"]},
        {"program": "no-such-program", "names": ["tool"]},
        {"program": "no-such-program", "names": []},
    ]
    found, others = coming_installations(None, "none", {}, {**PARAMS, "packages": wanted})
    assert [one.names for one in found] == [("tool",)]
    assert others
