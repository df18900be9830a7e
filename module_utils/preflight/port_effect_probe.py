# SPDX-License-Identifier: Apache-2.0
"""Which ports answer from outside now and will not behind our firewall."""

from __future__ import annotations

import fnmatch
import json
import re
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

from ..host_commands import output_of, text_of
from ..nft_table import kernel_table, nft_program
from ..port_ranges import (
    PortRange,
    forwarded,
    holds,
    parse_ranges,
    published,
    ranges_of_entries,
    ranges_of_table,
    ranges_of_ufw,
)
from ..socket_table import Socket, parse_tcp, parse_udp
from ..ssh_probe import ssh_ports
from .effect_model import ClosingPort
from .holder_probe import holder_of

# Answers to this host's own requests for an address pass the firewall.
_DHCP = [PortRange("udp", 68, 68), PortRange("udp", 546, 546)]
_INNER = ("lo", "docker*", "br-*", "veth*", "tp-*")
_MOST_OF_A_RANGE = 3
_WILDCARDS = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound

Found = Dict[Tuple[int, str], str]


def closing_ports(firewall: Mapping[str, Any]) -> Tuple[ClosingPort, ...]:
    """Ports that the firewall will close, with their holders.

    Args:
        firewall: ``path`` of the confirmed ruleset; ``entries``, the ports that it will let in besides SSH's, as in the
            variable ``firewall_extra_ports``; ``trusted_interfaces``.
    """
    stays = ranges_of_entries(firewall["entries"]) + [PortRange("tcp", port, port) for port in ssh_ports()] + _DHCP
    ours = text_of(firewall["path"]) if kernel_table("twinport") else ""
    lets_in = ranges_of_table(ours) if ours else None
    if lets_in is not None and all(one in stays for one in lets_in):
        return ()
    answering = _listening(firewall["trusted_interfaces"])
    answering.update(_forwarded())
    return tuple(
        ClosingPort(port, protocol, holder)
        for (port, protocol), holder in sorted(answering.items())
        if not holds(stays, protocol, port) and (lets_in is None or holds(lets_in, protocol, port))
    )


def keep_line(closing: Sequence[ClosingPort], extra: Sequence[Mapping[str, Any]]) -> str:
    """The value of ``firewall_extra_ports`` with which these stay open: what is in it, and they."""
    entries = list(extra) + [
        dict({"port": one.port}, **({} if one.protocol == "tcp" else {"protocol": one.protocol})) for one in closing
    ]
    parts = [
        "{" + ", ".join("{0}: {1}".format(key, _flow(value)) for key, value in entry.items()) + "}" for entry in entries
    ]
    return "[" + ", ".join(parts) + "]"


def _flow(value: object) -> str:
    plain = isinstance(value, int) or (isinstance(value, str) and re.fullmatch(r"[a-z]+", value))
    return str(value) if plain else json.dumps(value)


def _listening(trusted: Sequence[str]) -> Found:
    """Ports that programs of the host listen on where somebody outside can ask."""
    inner = _inner_addresses([*_INNER, *trusted])
    opened = _opened_by_neighbours()
    inodes: Dict[Tuple[int, str], Set[int]] = {}
    for protocol, socket in _sockets():
        is_local = socket.address.startswith("127.") or socket.address == "::1"
        is_outside = socket.address in _WILDCARDS or not (is_local or socket.address in inner)
        if is_outside and (opened is None or holds(opened, protocol, socket.port)):
            inodes.setdefault((socket.port, protocol), set()).add(socket.inode)
    return {place: holder_of(place[0], found).name for place, found in inodes.items()}


def _sockets() -> Iterator[Tuple[str, Socket]]:
    for name in ("tcp", "tcp6"):
        for socket in parse_tcp(text_of("/proc/net/" + name)):
            if socket.state == "listen":
                yield "tcp", socket
    # What asks somebody else has a port from this range; of servers only tunnels are known to have.
    first_own = int((text_of("/proc/sys/net/ipv4/ip_local_port_range").split() or ["32768"])[0])
    tunnels = {int(port) for port in re.findall(r"\t(\d+)$", output_of(["wg", "show", "all", "listen-port"]), re.M)}
    for name in ("udp", "udp6"):
        for socket in parse_udp(text_of("/proc/net/" + name)):
            if socket.port < first_own or socket.port in tunnels:
                yield "udp", socket


def _inner_addresses(patterns: Sequence[str]) -> Set[str]:
    """Addresses on interfaces that the firewall trusts."""
    try:
        links = json.loads(output_of(["ip", "-j", "addr", "show"]) or "[]")
    except ValueError:
        links = []
    return {
        str(address.get("local"))
        for link in links
        if any(fnmatch.fnmatchcase(str(link.get("ifname")), pattern) for pattern in patterns)
        for address in link.get("addr_info", [])
    }


def _forwarded() -> Found:
    """Ports that containers publish, and others that address translation sends elsewhere."""
    found: Found = {}
    for one, place in forwarded(
        output_of(["iptables-save", "-t", "nat"]) + output_of(["ip6tables-save", "-t", "nat"]),
        output_of([nft_program(), "--stateless", "list", "ruleset"]),
    ):
        found.update({port: "forwarded to {0}".format(place) for port in _ports_of(one)})
    for line in output_of(["docker", "ps", "--format", "{{.Names}}|{{.Ports}}"], seconds=30).splitlines():
        name, _bar, ports = line.partition("|")
        for one in published(ports):
            found.update({port: "container {0}".format(name) for port in _ports_of(one)})
    return found


def _ports_of(one: PortRange) -> List[Tuple[int, str]]:
    """Each port, or of a long range its first ones: the reader only has to recognise it."""
    return [(port, one.protocol) for port in range(one.first, min(one.last, one.first + _MOST_OF_A_RANGE - 1) + 1)]


def _opened_by_neighbours() -> Optional[List[PortRange]]:
    """What the host's own firewall lets in to programs of the host; None where none is active."""
    if "Status: active" in output_of(["ufw", "status"], env={"LANG": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}):
        if re.search(r'^DEFAULT_INPUT_POLICY="?ACCEPT', text_of("/etc/default/ufw"), re.MULTILINE):
            return None
        return ranges_of_ufw(text_of("/etc/ufw/user.rules") + text_of("/etc/ufw/user6.rules"))
    zone = output_of(["firewall-cmd", "--list-all"])
    if not zone or re.search(r"^\s*target: ACCEPT$", zone, re.MULTILINE):
        return None
    lines = dict(re.findall(r"^\s*(services|ports): (.*)$", zone, re.MULTILINE))
    services = [output_of(["firewall-cmd", "--info-service=" + name]) for name in lines.get("services", "").split()]
    listed = lines.get("ports", "").split()
    for service in services:
        listed += " ".join(re.findall(r"^\s*ports: (.*)$", service, re.MULTILINE)).split()
    return [
        one for ports, _slash, protocol in (text.partition("/") for text in listed)
        for one in parse_ranges(ports, protocol)
    ]  # fmt: skip
