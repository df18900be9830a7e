"""The rows about effects: who is harmed, what keeps it, and what needs an agreement."""

from __future__ import annotations

import dataclasses

import pytest

from module_utils.preflight.effect_model import CardMemory, ClosingPort, Effects, StoppingContainer
from module_utils.preflight.effect_rows import harms
from module_utils.preflight.model import Row
from module_utils.preflight.report import judge
from tests.unit.module_utils.preflight.test_report import GOOD, WANTED

SHOP = ClosingPort(8080, "tcp", "container shop")
TUNNEL = ClosingPort(51820, "udp", "an unknown process")
DISCOVERY = ClosingPort(5353, "udp", "avahi-daemon.service")
LINE = "[{port: 8080}, {port: 51820, protocol: udp}]"


def rows(effects: Effects) -> dict[str, Row]:
    """The rows that the effects add to the report on a good host."""
    plain = {row.name for row in judge(GOOD, WANTED)}
    return {row.name: row for row in judge(dataclasses.replace(GOOD, effects=effects), WANTED) if row.name not in plain}


def test_ports_come_with_their_holders_and_the_line_that_keeps_them() -> None:
    row = rows(Effects(ports=(SHOP, TUNNEL), keep_ports=LINE))["ports that close"]
    assert (row.status, row.detail) == ("warn", "8080: container shop, 51820/udp: an unknown process")
    assert f"firewall_extra_ports: {LINE}" in row.cure


def test_packages_and_containers_have_a_row_each() -> None:
    effects = Effects(packages=("containerd.io",), containers=(StoppingContainer("speech", "stopped and kept"),))
    found = rows(effects)
    assert found["packages that go"].detail == "containerd.io"
    assert found["containers that stop"].detail == "speech (stopped and kept)"
    assert {row.status for row in found.values()} == {"warn"}


def test_without_effects_there_are_no_rows_and_nothing_to_agree_to() -> None:
    assert rows(Effects()) == {}
    assert harms(Effects()) == []


def test_every_harm_has_a_name_and_a_sentence() -> None:
    effects = Effects(
        ports=(SHOP, TUNNEL, DISCOVERY),
        packages=("containerd.io",),
        containers=(StoppingContainer("speech", "stopped and kept"),),
        memory=(CardMemory(0, 24000, 100, (("container ollama", 23900),)),),
    )
    assert {harm.name: harm.sentence for harm in harms(effects)} == {
        "port 8080": "port 8080 closes to the outside: container shop",
        "port 51820/udp": "port 51820/udp closes to the outside: an unknown process",
        "package containerd.io": "package containerd.io is removed",
        "container speech": "container speech is stopped and kept",
    }


def test_discovery_on_the_local_network_is_told_and_needs_no_agreement() -> None:
    effects = Effects(ports=(DISCOVERY,))
    assert rows(effects)["ports that close"].status == "ok"
    assert harms(effects) == []


@pytest.mark.parametrize(
    ("cards", "status"),
    [
        ([CardMemory(0, 24000, 23000)], "ok"),
        ([CardMemory(0, 8000, 7900)], "ok"),
        ([CardMemory(0, 24000, 3072, (("container ollama (ollama)", 20480),))], "warn"),
        ([CardMemory(0, 24000, 3072, (("x", 20480),)), CardMemory(1, 24000, 24000)], "ok"),
    ],
)
def test_memory_that_others_hold_is_a_warning_where_no_card_has_enough(cards: list[CardMemory], status: str) -> None:
    row = rows(Effects(memory=tuple(cards)))["gpu 0 memory"]
    assert row.status == status
    assert f"{cards[0].free_mib / 1024:.1f} of {cards[0].total_mib / 1024:.1f} GiB free" in row.detail
    assert all(f"{name} holds 20.0" in row.detail for name, _mib in cards[0].holders)
