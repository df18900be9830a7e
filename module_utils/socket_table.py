# SPDX-License-Identifier: Apache-2.0
"""Reading the kernel's tables of TCP sockets and routes: rules only, no I/O."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import List, Mapping, Set

_STATES = {"01": "established", "0A": "listen"}
_UDP_STATES = {"07": "unconnected"}


@dataclass(frozen=True)
class Socket:
    """One socket: local address and port, state (``established``, ``listen``; of UDP ``unconnected``), and inode."""

    address: str
    port: int
    state: str
    inode: int


def parse_tcp(text: str) -> List[Socket]:
    """Listening and established sockets from /proc/net/tcp or tcp6."""
    return _parse(text, _STATES)


def parse_udp(text: str) -> List[Socket]:
    """Sockets that take datagrams from anybody, from /proc/net/udp or udp6."""
    return _parse(text, _UDP_STATES)


def _parse(text: str, states: Mapping[str, str]) -> List[Socket]:
    sockets = []
    for line in text.splitlines()[1:]:
        columns = line.split()
        if len(columns) < 10 or columns[3] not in states:
            continue
        address, _colon, port = columns[1].partition(":")
        try:
            sockets.append(Socket(_address(address), int(port, 16), states[columns[3]], int(columns[9])))
        except ValueError:
            continue  # no line of the kernel's
    return sockets


def peers(text: str) -> List[str]:
    """The addresses at the other end of established connections, from /proc/net/tcp or tcp6."""
    lines = [line.split() for line in text.splitlines()[1:]]
    found = [_address(columns[2].partition(":")[0]) for columns in lines if len(columns) > 3 and columns[3] == "01"]
    return sorted(set(found))


def default_interfaces(ipv4_routes: str, ipv6_routes: str) -> Set[str]:
    """Interfaces of default routes, from /proc/net/route and /proc/net/ipv6_route."""
    found = set()
    for line in ipv4_routes.splitlines()[1:]:
        columns = line.split()
        if len(columns) > 7 and columns[1] == columns[7] == "00000000":
            found.add(columns[0])
    for line in ipv6_routes.splitlines():
        columns = line.split()
        if len(columns) == 10 and columns[0] == "0" * 32 and columns[1] == "00":
            found.add(columns[9])
    return found - {"lo"}


def _address(text: str) -> str:
    # The kernel prints each 32-bit word in the machine's byte order; all our platforms are little-endian.
    raw = bytes.fromhex(text)
    words = [raw[start : start + 4][::-1] for start in range(0, len(raw), 4)]
    address = ipaddress.ip_address(b"".join(words))
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
