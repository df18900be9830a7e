"""Who uses which addresses, from what the host's own programs print."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from module_utils import address_probe
from module_utils.address_probe import plan_addresses

ROUTES = [
    {"dst": "default", "gateway": "203.0.113.1", "dev": "eth0"},
    {"dst": "203.0.113.0/24", "dev": "eth0", "scope": "link"},
    {"dst": "172.17.0.0/16", "dev": "docker0", "scope": "link"},
    {"dst": "172.19.0.0/16", "dev": "br-0123456789ab", "scope": "link"},
    {"type": "local", "dst": "203.0.113.5", "dev": "eth0"},
]
ADDRESSES = [
    {"ifname": "lo", "addr_info": [{"local": "127.0.0.1", "prefixlen": 8}]},
    {"ifname": "eth0", "addr_info": [{"local": "203.0.113.5", "prefixlen": 24}]},
    {"ifname": "docker0", "addr_info": [{"local": "172.17.0.1", "prefixlen": 16}]},
]
TCP = "head\n 0: 057100CB:0016 0A0012AC:C2A1 01 0 0 0 0 0 5\n 1: 010011AC:1F90 020011AC:C2A1 01 0 0 0 0 0 6\n"


class Machine:
    """What the programs and files of the host say; a test changes it."""

    def __init__(self) -> None:
        self.routes = list(ROUTES)
        self.networks = ""
        self.archives: list[str] = []
        self.names: dict[str, str] = {}
        self.files = {"/proc/net/tcp": "", "/etc/resolv.conf": "nameserver 9.9.9.9\n"}

    def output_of(self, command: Sequence[str], seconds: float = 10) -> str:
        if list(command[:3]) == ["ip", "-j", "-4"]:
            return json.dumps(self.routes)
        if list(command[:3]) == ["ip", "-j", "addr"]:
            return json.dumps(ADDRESSES)
        if list(command[:3]) == ["docker", "network", "ls"]:
            return "1 2" if self.networks else ""
        if list(command[:3]) == ["docker", "network", "inspect"]:
            return self.networks
        return self.names.get(command[-1], "")

    def text_of(self, path: str) -> str:
        return self.files.get(path, "")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    found = Machine()
    monkeypatch.setattr(address_probe, "output_of", found.output_of)
    monkeypatch.setattr(address_probe, "text_of", found.text_of)
    monkeypatch.setattr(address_probe, "archive_uris", lambda: found.archives)
    return found


def clashes(*, urls: Sequence[str] = (), reserved: Sequence[str] = ()) -> tuple[str, ...]:
    return plan_addresses({}, urls, reserved).clashes


@pytest.mark.usefixtures("machine")
def test_an_ordinary_host_needs_nothing() -> None:
    assert plan_addresses({}, [], []).settings == {}


def test_whoever_is_connected_counts(machine: Machine) -> None:
    machine.files["/proc/net/tcp"] = TCP
    assert "172.18.0.10 (connected to this host now)" in clashes()


def test_a_container_that_is_connected_does_not(machine: Machine) -> None:
    machine.files["/proc/net/tcp"] = TCP
    machine.networks = "bridge 172.17.0.0/16 \nhost \n"
    assert clashes() == ("172.18.0.10 (connected to this host now)",)


def test_a_route_through_a_gateway_counts(machine: Machine) -> None:
    machine.routes.append({"dst": "172.16.0.0/12", "gateway": "203.0.113.1", "dev": "eth0"})
    assert clashes() == ("172.16.0.0/12 (a route through eth0)",)


def test_resolvers_count_from_both_files(machine: Machine) -> None:
    machine.files["/run/systemd/resolve/resolv.conf"] = "nameserver 192.168.200.2\nsearch example\n"
    assert clashes() == ("192.168.200.2 (a resolver of this host)",)


@pytest.mark.parametrize("url", ["http://proxy.office:3128", "proxy.office:3128", "https://user:secret@proxy.office/x"])
def test_proxies_and_mirrors_count_by_their_addresses(machine: Machine, url: str) -> None:
    machine.names["proxy.office"] = "172.20.1.1 STREAM proxy.office\n172.20.1.1 DGRAM\n"
    assert clashes(urls=[url, "", "http://[broken"]) == ("172.20.1.1 (the address of proxy.office)",)


def test_package_archives_count_too(machine: Machine) -> None:
    machine.names["apt.office"] = "172.21.1.1 STREAM apt.office\n"
    machine.archives = ["http://apt.office/debian"]
    assert clashes() == ("172.21.1.1 (the address of apt.office)",)


@pytest.mark.usefixtures("machine")
def test_the_inventory_can_keep_a_range_free() -> None:
    assert clashes(reserved=["172.20.0.0/16"]) == ("172.20.0.0/16 (kept free by docker_reserved_networks)",)


def test_daemon_json_decides_where_it_has_decided(machine: Machine) -> None:
    own = {"bip": "10.200.0.1/24", "default-address-pools": [{"base": "10.201.0.0/16", "size": 24}]}
    machine.files["/etc/docker/daemon.json"] = json.dumps({**own, "debug": True})
    assert plan_addresses({}, [], ["172.20.0.0/16"]).settings == own
    machine.files["/etc/docker/daemon.json"] = "{"
    assert plan_addresses({}, [], []).settings == {}


def test_a_host_without_any_of_the_programs_needs_nothing(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address_probe, "output_of", lambda *_, **__: "")
    assert plan_addresses({}, [], []).settings == {}
