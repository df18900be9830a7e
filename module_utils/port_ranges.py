# SPDX-License-Identifier: Apache-2.0
"""Ports as firewalls and Docker write them: rules only, no I/O."""

from __future__ import annotations

import re
from typing import Any, Iterable, List, Mapping, NamedTuple, Tuple

ANY = "any"
_LOCAL = re.compile(r"(127\.[0-9.]+|::1|\[::1\])(/[0-9]+)?")
_PUBLISHED = re.compile(r"(?:(\S+):)?(\d+)(?:-(\d+))?->\d+(?:-\d+)?/(tcp|udp)")
_OURS = re.compile(r"\b(tcp|udp) dport (\{[^}]*\}|\S+) accept")
_UFW = re.compile(r"^### tuple ### (allow|limit)(?:_\S+)? (tcp|udp|any) (\S+) ", re.MULTILINE)
_IPTABLES = re.compile(r"^-A (?P<chain>\S+) (?P<rule>.*--dports? (?P<ports>[0-9:,]+).*)$", re.MULTILINE)
_NFTABLES = re.compile(
    r"^(?P<rule>.*\b(?P<protocol>tcp|udp) dport (?P<ports>\{[^}]*\}|[0-9-]+)\s.*\b(?:dnat|redirect)\b.*)$", re.MULTILINE
)


class PortRange(NamedTuple):
    """Ports from ``first`` to ``last`` of ``protocol``: tcp, udp or any."""

    protocol: str
    first: int
    last: int


def parse_ranges(text: str, protocol: str) -> List[PortRange]:
    """Ranges of a list such as ``80,443``, ``6000:6010``, ``{ 80, 6000-6010 }`` or ``any``; names are left out."""
    if text.strip() == ANY:
        return [PortRange(protocol, 1, 65535)]
    found = re.findall(r"(?<![\w.])(\d+)(?:[:-](\d+))?(?![\w.])", text)
    return [PortRange(protocol, int(first), int(last or first)) for first, last in found]


def holds(ranges: Iterable[PortRange], protocol: str, port: int) -> bool:
    """Whether one of the ranges has the port."""
    return any(one.protocol in (ANY, protocol) and one.first <= port <= one.last for one in ranges)


def ranges_of_entries(entries: Iterable[Mapping[str, Any]]) -> List[PortRange]:
    """Of entries as in ``firewall_extra_ports``."""
    return [
        found for entry in entries for found in parse_ranges(str(entry["port"]), str(entry.get("protocol") or "tcp"))
    ]


def ranges_of_table(ruleset: str) -> List[PortRange]:
    """What Twinport's own table lets in, from its text."""
    return [found for protocol, ports in _OURS.findall(ruleset) for found in parse_ranges(ports, protocol)]


def ranges_of_ufw(rules: str) -> List[PortRange]:
    """What ufw lets in, from its user.rules."""
    return [found for _action, protocol, ports in _UFW.findall(rules) for found in parse_ranges(ports, protocol)]


def published(text: str) -> List[PortRange]:
    """What Docker publishes beyond the host itself, from the column "Ports" of its list."""
    return [
        PortRange(protocol, int(first), int(last or first))
        for address, first, last, protocol in _PUBLISHED.findall(text)
        if not _LOCAL.fullmatch(address)
    ]


def forwarded(iptables: str, nftables: str) -> List[Tuple[PortRange, str]]:
    """What address translation sends elsewhere, and where to.

    Args:
        iptables: what ``iptables-save -t nat`` prints.
        nftables: what ``nft list ruleset`` prints.
    """
    found = []
    for match in _IPTABLES.finditer(iptables):
        rule = match.group("rule")
        protocol = re.search(r"-p (tcp|udp)\b", rule)
        target = re.search(r"-j (?:DNAT --to-destination (\S+)|REDIRECT --to-ports (\S+))", rule)
        node_port = match.group("chain") == "KUBE-NODEPORTS"
        to_itself = re.search(r"-d (127\.\S+|::1\S*)", rule)
        if protocol and (target or node_port) and not to_itself:
            place = (target.group(1) or target.group(2)) if target else "Kubernetes"
            found += [(one, place) for one in parse_ranges(match.group("ports"), protocol.group(1))]
    for match in _NFTABLES.finditer(nftables):
        place = re.search(r"\b(?:dnat(?: ip6?)?|redirect) to (\S+)", match.group("rule"))
        if "daddr 127." not in match.group("rule"):
            ranges = parse_ranges(match.group("ports"), match.group("protocol"))
            found += [(one, place.group(1) if place else "elsewhere") for one in ranges]
    return found
