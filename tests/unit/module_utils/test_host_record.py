"""What differs from the record of a host is told, and what stays on purpose apart from it."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from module_utils.host_record import compare, units_to_undo

BEFORE: dict[str, dict[str, Any]] = {
    "packages": {"bash": "5.2"},
    "units": {"shop.service": {"enabled": "enabled", "active": True}},
    "containers": {"shop": {"id": "1", "status": "running", "restart": "no"}},
    "networks": {},
    "ports": {"0.0.0.0 8080/tcp": "tcp"},
    "sysctls": {"net/ipv4/ip_forward": "0", "vm/swappiness": "60"},
    "files": {"/etc/docker/daemon.json": {"sha256": "a"}},
}


def changed(section: str, name: str, value: Any, **packages: str) -> list[tuple[str, str]]:
    """The sentences and reasons where one entry is another, or gone, and these packages were added."""
    now = copy.deepcopy(BEFORE)
    now["packages"].update(packages)
    now[section].pop(name, None)
    if value is not None:
        now[section][name] = value
    return [(one.sentence, one.reason) for one in compare(BEFORE, now) if one.section == section and one.name == name]


def test_an_unchanged_host_differs_in_nothing() -> None:
    assert compare(BEFORE, copy.deepcopy(BEFORE)) == []
    assert compare({}, {}) == []


@pytest.mark.parametrize(
    ("section", "name", "value", "sentence"),
    [
        ("packages", "bash", None, "package bash is gone: 5.2"),
        ("units", "shop.service", {"enabled": "disabled"}, "is enabled disabled"),
        ("containers", "shop", None, "container shop is gone: id 1, status running, restart no"),
        ("networks", "left", {"driver": "bridge"}, "network left was not there: driver bridge"),
        ("ports", "0.0.0.0 8080/tcp", None, "port 0.0.0.0 8080/tcp is gone: tcp"),
        ("sysctls", "vm/swappiness", "10", "sysctl vm/swappiness was 60 and is 10"),
        ("files", "/etc/docker/daemon.json", {"sha256": "b"}, "was sha256 a and is sha256 b"),
        ("files", "/etc/systemd/system/twinport-firewall.service", {"sha256": "c"}, "was not there: sha256 c"),
    ],
)
@pytest.mark.parametrize("packages", [{}, {"docker.io": "26"}])
def test_what_is_nobodys_purpose_has_no_reason(
    section: str, name: str, value: Any, sentence: str, packages: dict[str, str]
) -> None:
    ((told, reason),) = changed(section, name, value, **packages)
    assert sentence in told
    assert reason == ""


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("units", "docker.service", {"enabled": "enabled", "active": True}),
        ("networks", "bridge", {"driver": "bridge"}),
        ("sysctls", "net/ipv4/ip_forward", "1"),
        ("files", "/etc/systemd/system/multi-user.target.wants/docker.service", {"link": "x"}),
    ],
)
def test_what_came_with_a_package_stays_with_it(section: str, name: str, value: Any) -> None:
    ((_told, reason),) = changed(section, name, value, **{"docker.io": "26"})
    assert "packages that stay" in reason
    ((_told, reason),) = changed(section, name, value)
    assert reason == ""


def test_packages_that_were_added_or_upgraded_stay() -> None:
    assert all(reason for _told, reason in changed("packages", "nftables", "1.1"))
    assert all(reason for _told, reason in changed("packages", "bash", "5.3"))


UNIT = {"enabled": "disabled", "active": False}


@pytest.mark.parametrize(
    ("now", "arguments"),
    [
        ({"enabled": "enabled", "active": True}, [["disable", "docker.service"], ["stop", "docker.service"]]),
        ({"enabled": "disabled", "active": True}, [["stop", "docker.service"]]),
        (UNIT, []),
        (None, []),
    ],
)
def test_a_unit_gets_its_state_back(now: Any, arguments: list[list[str]]) -> None:
    units = {"docker.service": now} if now else {}
    assert list(units_to_undo({"docker.service": UNIT}, units, ["docker.service"])) == arguments


def test_a_unit_that_was_not_there_and_one_that_is_not_ours_are_left_alone() -> None:
    now = {"docker.service": {"enabled": "enabled", "active": True}, "shop.service": UNIT}
    before = {"shop.service": {"enabled": "enabled", "active": True}}
    assert list(units_to_undo(before, now, ["docker.service"])) == []
