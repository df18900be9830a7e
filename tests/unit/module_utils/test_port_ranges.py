"""Ports are found in everything that opens, publishes or forwards them."""

from __future__ import annotations

import pytest

from module_utils.port_ranges import (
    PortRange,
    forwarded,
    holds,
    parse_ranges,
    published,
    ranges_of_entries,
    ranges_of_table,
    ranges_of_ufw,
)

TABLE = """\
    tcp dport 8383 accept
    ip saddr { 10.0.0.0/8 } tcp dport 22 accept
    udp dport 6000-6010 accept
    iifname "tp-out-*" meta l4proto { tcp, udp } th dport 53 accept
    udp sport 67 udp dport 68 accept
    fib daddr type { local, anycast, broadcast, multicast } counter drop
"""
UFW = """\
### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in
-A ufw-user-input -p tcp --dport 22 -j ACCEPT
### tuple ### allow tcp 80,443 0.0.0.0/0 any 0.0.0.0/0 Nginx%20Full - in
### tuple ### limit any 6000:6007 10.0.0.0/8 any 0.0.0.0/0 in_eth0
### tuple ### deny tcp 25 0.0.0.0/0 any 0.0.0.0/0 in
### tuple ### route:allow tcp 8080 0.0.0.0/0 any 0.0.0.0/0 in
"""
IPTABLES = """\
*nat
-A PREROUTING -i eth0 -p tcp -m tcp --dport 8006 -j DNAT --to-destination 10.0.3.5:8006
-A PREROUTING -p udp -m multiport --dports 27015,27016 -j DNAT --to-destination 10.0.3.6
-A PREROUTING -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 3128
-A DOCKER -d 127.0.0.1/32 ! -i docker0 -p tcp -m tcp --dport 9000 -j DNAT --to-destination 172.17.0.2:9000
-A KUBE-NODEPORTS -p tcp -m comment --comment "default/web" -m tcp --dport 30080 -j KUBE-EXT-X
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
"""
NFTABLES = """\
    tcp dport 8080 counter dnat ip to 10.88.0.5:80
    udp dport { 53, 5300 } dnat to 10.88.0.9
    ip daddr 127.0.0.1 tcp dport 9000 dnat to 10.88.0.5:9000
    tcp dport 22 accept
"""


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("8080", [(8080, 8080)]),
        ("80,443", [(80, 80), (443, 443)]),
        ("6000:6010", [(6000, 6010)]),
        ("{ 80, 6000-6010 }", [(80, 80), (6000, 6010)]),
        ("any", [(1, 65535)]),
        ("http", []),
    ],
)
def test_lists_of_ports(text: str, ranges: list[tuple[int, int]]) -> None:
    assert parse_ranges(text, "tcp") == [PortRange("tcp", *one) for one in ranges]


def test_a_range_holds_its_ends_and_its_protocol_only() -> None:
    ranges = [PortRange("tcp", 10, 12), PortRange("any", 53, 53)]
    assert [port for port in range(20) if holds(ranges, "tcp", port)] == [10, 11, 12]
    assert holds(ranges, "udp", 53)
    assert not holds(ranges, "udp", 11)


def test_entries_are_tcp_unless_they_say_otherwise() -> None:
    entries = [{"port": 9100}, {"port": "6000-6010", "protocol": "udp"}, {"port": 22, "protocol": None}]
    assert ranges_of_entries(entries) == [
        PortRange("tcp", 9100, 9100),
        PortRange("udp", 6000, 6010),
        PortRange("tcp", 22, 22),
    ]


def test_our_own_table_tells_what_it_lets_in_from_outside() -> None:
    assert set(ranges_of_table(TABLE)) == {
        PortRange("tcp", 8383, 8383),
        PortRange("tcp", 22, 22),
        PortRange("udp", 6000, 6010),
        PortRange("udp", 68, 68),
    }


def test_ufw_tells_what_it_allows_to_programs_of_the_host() -> None:
    assert ranges_of_ufw(UFW) == [
        PortRange("tcp", 22, 22),
        PortRange("tcp", 80, 80),
        PortRange("tcp", 443, 443),
        PortRange("any", 6000, 6007),
    ]


@pytest.mark.parametrize(
    ("column", "ranges"),
    [
        ("0.0.0.0:8080->80/tcp, [::]:8080->80/tcp", [("tcp", 8080, 8080)] * 2),
        ("0.0.0.0:8080->80/tcp, :::8080->80/tcp", [("tcp", 8080, 8080)] * 2),
        ("127.0.0.1:9000->9000/tcp, [::1]:9000->9000/tcp, 9443/tcp", []),
        ("192.0.2.5:5000-5002->5000-5002/udp", [("udp", 5000, 5002)]),
        ("", []),
    ],
)
def test_what_docker_publishes_beyond_the_host(column: str, ranges: list[tuple[str, int, int]]) -> None:
    assert published(column) == [PortRange(*one) for one in ranges]


def test_what_address_translation_sends_elsewhere() -> None:
    found = {(one.protocol, one.first): place for one, place in forwarded(IPTABLES, NFTABLES)}
    assert found == {
        ("tcp", 8006): "10.0.3.5:8006",
        ("udp", 27015): "10.0.3.6",
        ("udp", 27016): "10.0.3.6",
        ("tcp", 80): "3128",
        ("tcp", 30080): "Kubernetes",
        ("tcp", 8080): "10.88.0.5:80",
        ("udp", 53): "10.88.0.9",
        ("udp", 5300): "10.88.0.9",
    }
