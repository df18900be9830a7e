# SPDX-License-Identifier: Apache-2.0
"""Which address ranges Docker may take on a host without taking somebody's: rules only, no I/O.

Left alone, dockerd takes 172.17.0.0/16 for its own bridge and the next free one of 172.18 to 172.31 and 192.168 for
each network, where free means that no interface of the host lies in it. A range that is reached through a gateway (an
office's, a provider's, the one that the SSH connection comes from) is not looked at, and its answers go into the bridge
from then on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_interface, ip_network
from typing import Any, Iterator, List, Mapping, Sequence, Tuple, Union

Network = Union[IPv4Network, IPv6Network]

# libnetwork/ipamutils: the local scope's defaults.
DOCKER_TAKES = (
    *(IPv4Network("172.{0}.0.0/16".format(second)) for second in range(17, 32)),
    IPv4Network("192.168.0.0/16"),
)
# In this order; the last two are set aside for benchmarks (RFC 2544) and so never routed.
_CANDIDATES = (
    *(IPv4Network("172.{0}.0.0/16".format(second)) for second in range(31, 15, -1)),
    *(IPv4Network("10.{0}.0.0/16".format(second)) for second in range(254, 127, -1)),
    *(IPv4Network("198.{0}.0.0/16".format(second)) for second in (18, 19)),
)
_SIZE = 24  # of each network: room for 250 containers
_MOST_NAMED = 3


@dataclass(frozen=True)
class Use:
    """A range that somebody uses, and who, for a sentence. ``on_link``: Docker sees it too, and keeps clear of it."""

    network: Network
    user: str
    on_link: bool = False


@dataclass(frozen=True)
class Plan:
    """What to set in daemon.json, and what stands in the way.

    Attributes:
        settings: ``bip`` and ``default-address-pools``; empty where Docker's own choice hurts nobody. What
            is set already and hurts nobody is repeated.
        clashes: who uses what Docker would take if nobody decided.
        problems: what only a person can decide, one sentence each.
        overlaps: networks that Docker has already and that somebody else uses too.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    clashes: Tuple[str, ...] = ()
    problems: Tuple[str, ...] = ()
    overlaps: Tuple[str, ...] = ()


def plan(uses: Sequence[Use], settings: Mapping[str, Any], networks: Mapping[str, Sequence[Network]]) -> Plan:
    """Decide.

    Args:
        uses: of ranges by others than Docker.
        settings: daemon.json as it is, with what the inventory adds.
        networks: Docker's networks and their ranges; empty where Docker is not there yet.
    """
    chosen = {key: settings[key] for key in ("bip", "default-address-pools") if settings.get(key)}
    on_link = [use.network for use in uses if use.on_link]
    unseen = [use for use in uses if not use.on_link and not is_inside(use.network, on_link)]
    problems = tuple(_chosen_problems(uses, chosen))
    overlaps = tuple(_overlaps(uses, networks))
    clashes = tuple(_named(use) for use in unseen if any(_meet(use.network, taken) for taken in DOCKER_TAKES))
    if problems or not clashes:
        return Plan(chosen, clashes, problems, overlaps)
    taken = [use.network for use in uses] + [network for ranges in networks.values() for network in ranges]
    free = [network for network in _CANDIDATES if not any(_meet(network, other) for other in taken + _ranges(chosen))]
    wanted = dict(chosen)
    if "default-address-pools" not in chosen and free:
        wanted["default-address-pools"] = [{"base": str(free.pop(0)), "size": _SIZE}]
    # The bridge of a Docker that runs has an address, and containers on it.
    if "bip" not in chosen and not networks and free:
        wanted["bip"] = "{0}/{1}".format(free[0].network_address + 1, _SIZE)
    if "default-address-pools" not in wanted or ("bip" not in wanted and not networks):
        none_free = "no range is free for Docker's networks; name one in docker_daemon_settings"
        return Plan(chosen, clashes, (none_free,), overlaps)
    return Plan(wanted, clashes, (), overlaps)


def is_inside(network: Network, others: Sequence[Network]) -> bool:
    """Whether one of the others holds the whole network."""
    return any(
        other.version == network.version
        and int(other.network_address) <= int(network.network_address)
        and int(network.broadcast_address) <= int(other.broadcast_address)
        for other in others
    )


def ranges_of(texts: Sequence[str]) -> List[Network]:
    """The networks of those texts that are an address or a range, without those that mean everything."""
    found = []
    for text in texts:
        try:
            network = ip_network(text.strip().split("%")[0], strict=False)
        except ValueError:
            continue
        # Halves of the whole, by which VPNs replace the default route.
        if network.prefixlen > 1:
            found.append(network)
    return found


def summary(clashes: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    shown = ", ".join(clashes[:_MOST_NAMED])
    more = len(clashes) - _MOST_NAMED
    return "{0} and {1} more".format(shown, more) if more > 0 else shown


def _chosen_problems(uses: Sequence[Use], chosen: Mapping[str, Any]) -> Iterator[str]:
    for key in chosen:
        ranges = _ranges({key: chosen[key]})
        for use in uses:
            if any(_meet(use.network, network) for network in ranges):
                yield "{0} in Docker's settings takes {1}".format(key, _named(use))


def _overlaps(uses: Sequence[Use], networks: Mapping[str, Sequence[Network]]) -> Iterator[str]:
    for name, ranges in sorted(networks.items()):
        for network in ranges:
            for use in uses:
                if _meet(use.network, network):
                    yield "Docker's network {0} ({1}) takes {2}".format(name, network, _named(use))


def _ranges(settings: Mapping[str, Any]) -> List[Network]:
    """The ranges of ``bip`` and ``default-address-pools``; what can't be read is Docker's to complain of."""
    texts = []
    if settings.get("bip"):
        texts.append(_network_text(str(settings["bip"])))
    given = settings.get("default-address-pools")
    pools = given if isinstance(given, list) else []
    texts += [str(pool.get("base", "")) for pool in pools if isinstance(pool, dict)]
    return ranges_of(texts)


def _network_text(address: str) -> str:
    try:
        return str(ip_interface(address).network)
    except ValueError:
        return ""


def _meet(one: Network, other: Network) -> bool:
    return one.version == other.version and one.overlaps(other)


def _named(use: Use) -> str:
    return "{0} ({1})".format(_bare(use.network), use.user)


def _bare(network: Network) -> str:
    return str(network.network_address) if network.num_addresses == 1 else str(network)
