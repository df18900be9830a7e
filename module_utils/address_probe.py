# SPDX-License-Identifier: Apache-2.0
"""Who uses which addresses, asked from the host that this runs on."""

from __future__ import annotations

import json
import re
from typing import Any, Dict, List, Mapping, Sequence
from urllib.parse import urlsplit

from .address_plan import Network, Plan, Use, is_inside, plan, ranges_of
from .apt_probe import archive_uris
from .host_commands import output_of, text_of
from .route_guard import BRIDGE
from .socket_table import peers

_DOCKERS_DEVICE = re.compile(BRIDGE.pattern + r"|veth[0-9a-f]+")
_RESOLVERS = ("/etc/resolv.conf", "/run/systemd/resolve/resolv.conf")
_ELSEWHERE = ("unicast", "blackhole", "unreachable", "prohibit", "throw")
_DAEMON_JSON = "/etc/docker/daemon.json"
_MOST_NAMES = 16


def plan_addresses(settings: Mapping[str, Any], urls: Sequence[str], reserved: Sequence[str]) -> Plan:
    """What to set for Docker on this host.

    Args:
        settings: for daemon.json, from the inventory.
        urls: of proxies and mirrors, whose names are resolved here like those of the package archives.
        reserved: ranges that the inventory keeps free.
    """
    uses = [Use(network, "kept free by docker_reserved_networks") for network in ranges_of(reserved)]
    uses += [Use(network, "connected to this host now") for network in ranges_of(_peers())]
    uses += [Use(network, "a resolver of this host") for network in ranges_of(_resolvers())]
    uses += _routes() + _addresses() + _named_in([*urls, *archive_uris()])
    networks = docker_networks()
    own = [network for ranges in networks.values() for network in ranges]
    # What lies in Docker's own networks is a container, or the host as its containers see it.
    others = [use for use in _first(uses) if not is_inside(use.network, own) and not use.network.is_loopback]
    return plan(others, dict(_daemon_json(), **settings), networks)


def docker_networks() -> Dict[str, List[Network]]:
    """Ranges of the running Docker's networks, by name."""
    names = output_of(["docker", "network", "ls", "--quiet"], seconds=30).split()
    if not names:
        return {}
    form = "{{.Name}} {{range .IPAM.Config}}{{.Subnet}} {{end}}"
    lines = output_of(["docker", "network", "inspect", "--format", form, *names], seconds=30).splitlines()
    found = {line.split()[0]: ranges_of(line.split()[1:]) for line in lines if line.split()}
    return {name: ranges for name, ranges in found.items() if ranges}


def _first(uses: Sequence[Use]) -> List[Use]:
    """Each range once, under its first user; what Docker sees stays known as that."""
    found: Dict[Network, Use] = {}
    for use in uses:
        earlier = found.setdefault(use.network, use)
        if use.on_link and not earlier.on_link:
            found[use.network] = Use(use.network, earlier.user, on_link=True)
    return list(found.values())


def _peers() -> List[str]:
    return peers(text_of("/proc/net/tcp")) + peers(text_of("/proc/net/tcp6"))


def _resolvers() -> List[str]:
    lines = [line.split() for path in _RESOLVERS for line in text_of(path).splitlines()]
    return [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]


def _routes() -> List[Use]:
    """Of all tables: a VPN has its own."""
    found = []
    for family in ("-4", "-6"):
        for route in _asked(["ip", "-j", family, "route", "show", "table", "all"]):
            device = str(route.get("dev", ""))
            if route.get("type", "unicast") in _ELSEWHERE and _DOCKERS_DEVICE.fullmatch(device) is None:
                user = "a route through {0}".format(device) if device else "a route"
                on_link = route.get("scope") == "link" and "gateway" not in route
                found += [Use(network, user, on_link) for network in ranges_of([str(route.get("dst", ""))])]
    return found


def _addresses() -> List[Use]:
    found = []
    for link in _asked(["ip", "-j", "addr", "show"]):
        device = str(link.get("ifname", ""))
        if _DOCKERS_DEVICE.fullmatch(device) is None:
            texts = ["{0}/{1}".format(one.get("local"), one.get("prefixlen")) for one in link.get("addr_info", [])]
            found += [Use(network, "the network of {0}".format(device), on_link=True) for network in ranges_of(texts)]
    return found


def _named_in(urls: Sequence[str]) -> List[Use]:
    """What the hosts of proxies and mirrors resolve to."""
    hosts = list(dict.fromkeys(host for host in map(_host, urls) if host))
    found = []
    for host in hosts[:_MOST_NAMES]:
        lines = output_of(["getent", "ahosts", host], seconds=5).splitlines()
        addresses = [line.split()[0] for line in lines if line.split()]
        found += [Use(network, "the address of {0}".format(host)) for network in ranges_of(addresses)]
    return found


def _host(url: str) -> str:
    try:
        return urlsplit(url if "//" in url else "//" + url).hostname or ""
    except ValueError:
        return ""


def _asked(command: Sequence[str]) -> List[Dict[str, Any]]:
    try:
        answer = json.loads(output_of(command) or "[]")
    except ValueError:
        return []
    return [part for part in answer if isinstance(part, dict)]


def _daemon_json() -> Dict[str, Any]:
    try:
        document = json.loads(text_of(_DAEMON_JSON) or "{}")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
