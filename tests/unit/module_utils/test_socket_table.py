"""The kernel's tables as they were read on real hosts."""

from __future__ import annotations

from module_utils.socket_table import Socket, default_interfaces, parse_tcp, peers

TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0B00007F:A8DD 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 918239 1 ffff 100 0 0 10 0
   1: 020014AC:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 918302 1 ffff 100 0 0 10 0
   2: 020014AC:0016 010014AC:E2F4 01 00000000:00000000 02:000A7E53 00000000     0        0 921001 4 ffff 20 4 30 10 -1
   3: 020014AC:9C40 010014AC:0050 06 00000000:00000000 03:00000C2C 00000000     0        0 0 3 ffff
"""
TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr
   0: 00000000000000000000000000000000:20BF 00000000000000000000000000000000:0000 0A 0:0 00:00000000 00000000 0 0 77 1
   1: C1070000FD00000000000000020000:0016 x 0A
"""
ROUTES = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010014AC\t0003\t0\t0\t0\t00000000\t0\t0\t0
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
tun0\t00000000\t0100080A\t0003\t0\t0\t0\t00000080\t0\t0\t0
"""
ANY6 = "0" * 32
ROUTES6 = f"""\
fd0007c1000000000000000000000000 40 {ANY6} 00 {ANY6} 00000100 1 0 1 eth0
{ANY6} 00 {ANY6} 00 fe800000000000000000000000000001 00000400 1 0 3 ens5
{ANY6} 00 {ANY6} 00 {ANY6} ffffffff 1 0 200200 lo
"""


def test_listeners_and_connections_are_read_and_the_rest_is_left() -> None:
    assert parse_tcp(TCP) == [
        Socket("127.0.0.11", 43229, "listen", 918239),
        Socket("172.20.0.2", 22, "listen", 918302),
        Socket("172.20.0.2", 22, "established", 921001),
    ]


def test_ipv6_sockets_are_read_and_a_cut_line_is_left() -> None:
    assert parse_tcp(TCP6) == [Socket("::", 8383, "listen", 77)]


def test_the_other_ends_of_connections_are_read_once_each() -> None:
    assert peers(TCP) == ["172.20.0.1"]
    mapped = "  0: 0000000000000000FFFF0000020014AC:0016 0000000000000000FFFF00000A0012AC:C2A1 01 0 0 0 0 0 5"
    assert peers("head\n" + mapped) == ["172.18.0.10"]


def test_default_routes_of_both_families_lead_outside_and_half_a_default_does_not() -> None:
    assert default_interfaces(ROUTES, ROUTES6) == {"eth0", "ens5"}
