"""Foretold is each port that somebody outside can use now and will not be able to: no other, and none twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from module_utils.preflight import port_effect_probe as probe
from module_utils.preflight.effect_model import ClosingPort
from module_utils.preflight.holder_probe import Holder

HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
ADDRESSES = """[
  {"ifname": "lo", "addr_info": [{"local": "127.0.0.1"}]},
  {"ifname": "eth0", "addr_info": [{"local": "192.0.2.9"}]},
  {"ifname": "docker0", "addr_info": [{"local": "172.17.0.1"}]},
  {"ifname": "wg0", "addr_info": [{"local": "10.9.0.1"}]}
]"""
ANYWHERE = "0.0.0.0"  # noqa: S104 - listed, not bound
FIREWALL = {
    "entries": [{"port": 8383}, {"port": 9090}],
    "extra_ports": [],
    "trusted_interfaces": ["wg*"],
    "path": "/etc/twinport/firewall.nft",
}


def row(address: str, port: int, state: str) -> str:
    """A line of /proc/net/tcp or udp."""
    words = "".join(f"{int(part):02X}" for part in reversed(address.split(".")))
    return f"   0: {words}:{port:04X} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 0 0 {port}\n"


class Machine:
    """What the probe is told: files by path, and outputs by the beginning of a command."""

    def __init__(self) -> None:
        self.files = {
            "/proc/net/tcp": HEADER + row(ANYWHERE, 22, "0A") + row(ANYWHERE, 8888, "0A"),
            "/proc/net/udp": HEADER,
            "/proc/sys/net/ipv4/ip_local_port_range": "32768\t60999\n",
        }
        self.outputs = {"ip -j addr show": ADDRESSES}
        self.table = ""

    def closing(self, **changes: object) -> dict[str, str]:
        """The ports that close, with their holders."""
        return {one.name: one.holder for one in probe.closing_ports({**FIREWALL, **changes})}


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()

    def output_of(command: Sequence[str], seconds: float = 10, env: Mapping[str, str] | None = None) -> str:
        words = " ".join(command)
        return next((answer for start, answer in made.outputs.items() if words.startswith(start)), "")

    monkeypatch.setattr(probe, "output_of", output_of)
    monkeypatch.setattr(probe, "text_of", lambda path: made.files.get(path, ""))
    monkeypatch.setattr(probe, "kernel_table", lambda _name: made.table)
    monkeypatch.setattr(probe, "nft_program", lambda: "nft")
    monkeypatch.setattr(probe, "ssh_ports", lambda: {22})
    monkeypatch.setattr(probe, "holder_of", lambda port, _inodes: Holder(f"unit-{port}.service", ""))
    return made


def test_a_service_that_answers_outside_is_foretold_and_ssh_is_not(machine: Machine) -> None:
    assert machine.closing() == {"8888": "unit-8888.service"}


def test_what_the_inventory_keeps_open_does_not_close(machine: Machine) -> None:
    assert machine.closing(entries=[{"port": "8000-9000"}]) == {}


def test_only_what_is_reached_from_outside_counts(machine: Machine) -> None:
    addresses = {"127.0.0.1": 1001, "127.0.0.53": 1002, "172.17.0.1": 1003, "10.9.0.1": 1004, "192.0.2.9": 1005}
    machine.files["/proc/net/tcp"] = HEADER + "".join(row(address, port, "0A") for address, port in addresses.items())
    assert set(machine.closing()) == {"1005"}


def test_datagrams_count_where_a_server_takes_them(machine: Machine) -> None:
    ports = [53, 68, 40000, 51820]
    machine.files["/proc/net/udp"] = HEADER + "".join(row(ANYWHERE, port, "07") for port in ports)
    machine.outputs["wg show all listen-port"] = "wg0\t51820\n"
    assert set(machine.closing()) == {"8888", "53/udp", "51820/udp"}


def test_containers_and_forwarded_ports_count_without_a_socket(machine: Machine) -> None:
    machine.outputs["docker ps"] = "shop|0.0.0.0:8080->80/tcp, 127.0.0.1:9000->9000/tcp\nfront|0.0.0.0:8383->8383/tcp\n"
    machine.outputs["iptables-save -t nat"] = (
        "-A PREROUTING -p tcp -m tcp --dport 8006 -j DNAT --to-destination 10.0.3.5:8006\n"
        "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80\n"
    )
    assert machine.closing() == {
        "8006": "forwarded to 10.0.3.5:8006",
        "8080": "container shop",
        "8888": "unit-8888.service",
    }


def test_a_long_range_is_named_by_its_first_ports(machine: Machine) -> None:
    machine.files["/proc/net/tcp"] = HEADER
    machine.outputs["docker ps"] = "game|0.0.0.0:30000-30099->30000-30099/udp\n"
    assert set(machine.closing()) == {"30000/udp", "30001/udp", "30002/udp"}


def test_behind_our_own_table_nothing_closes_again(machine: Machine) -> None:
    machine.table = "table inet twinport {}"
    machine.files[str(FIREWALL["path"])] = "tcp dport 22 accept\ntcp dport 8383 accept\ntcp dport 9090 accept\n"
    assert machine.closing() == {}


def test_a_port_that_leaves_the_inventory_closes(machine: Machine) -> None:
    machine.table = "table inet twinport {}"
    machine.files[str(FIREWALL["path"])] = "tcp dport 22 accept\ntcp dport 8383 accept\ntcp dport 8888 accept\n"
    machine.files["/proc/net/tcp"] += row(ANYWHERE, 3306, "0A")
    assert set(machine.closing()) == {"8888"}


def test_what_ufw_keeps_closed_can_not_close(machine: Machine) -> None:
    machine.files["/proc/net/tcp"] += row(ANYWHERE, 3306, "0A")
    machine.files["/etc/ufw/user.rules"] = "### tuple ### allow tcp 8888 0.0.0.0/0 any 0.0.0.0/0 in\n"
    machine.outputs["ufw status"] = "Status: active\n"
    assert set(machine.closing()) == {"8888"}
    machine.files["/etc/default/ufw"] = 'DEFAULT_INPUT_POLICY="ACCEPT"\n'
    assert set(machine.closing()) == {"3306", "8888"}


def test_what_firewalld_keeps_closed_can_not_close(machine: Machine) -> None:
    machine.files["/proc/net/tcp"] += row(ANYWHERE, 3306, "0A") + row(ANYWHERE, 80, "0A")
    machine.outputs["firewall-cmd --list-all"] = "public\n  target: default\n  services: ssh http\n  ports: 8888/tcp\n"
    machine.outputs["firewall-cmd --info-service=http"] = "http\n  ports: 80/tcp\n"
    assert set(machine.closing()) == {"80", "8888"}


def test_the_line_for_the_inventory_keeps_what_it_has() -> None:
    closing = [ClosingPort(8080, "tcp", "x"), ClosingPort(51820, "udp", "y")]
    assert probe.keep_line(closing, [{"port": 9100, "protocol": "tcp", "sources": ["10.0.0.0/8"]}]) == (
        '[{port: 9100, protocol: tcp, sources: ["10.0.0.0/8"]}, {port: 8080}, {port: 51820, protocol: udp}]'
    )
