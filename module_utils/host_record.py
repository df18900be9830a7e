# SPDX-License-Identifier: Apache-2.0
"""A host as it was found, and how it differs now: rules only, no I/O.

A record has sections, and a section entries by name: ``packages`` (version), ``units`` (enabled, active),
``containers`` (image, status, restart policy), ``networks`` (driver and ranges), ``ports`` (protocol), ``sysctls``
(value), ``files`` (kind, owner, rights and checksum).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Mapping

Record = Dict[str, Dict[str, Any]]

SECTIONS = ("packages", "units", "containers", "networks", "ports", "sysctls", "files")
# The networks that every Docker has.
_DOCKERS_OWN = ("bridge", "host", "none")
# What Docker and its packages set, as long as they are on a host.
_DOCKERS_SYSCTLS = ("net/ipv4/ip_forward", "net/ipv4/conf/", "net/ipv6/conf/", "net/bridge/")


@dataclass(frozen=True)
class Difference:
    """One entry that is not as it was; ``before`` or ``now`` is None where there was or is none.

    ``reason`` says why it stays so on purpose, "" where nothing does.
    """

    section: str
    name: str
    before: Any
    now: Any
    reason: str = ""

    @property
    def sentence(self) -> str:
        """For the end of a run."""
        subject = "{0} {1}".format(self.section[:-1], self.name)
        if self.before is None:
            return "{0} was not there: {1}".format(subject, _shown(self.now))
        if self.now is None:
            return "{0} is gone: {1}".format(subject, _shown(self.before))
        return "{0} was {1} and is {2}".format(subject, _shown(self.before), _shown(self.now))


def compare(before: Mapping[str, Mapping[str, Any]], now: Mapping[str, Mapping[str, Any]]) -> List[Difference]:
    """Everything that differs, section by section; a section that a record lacks counts as empty."""
    added = [name for name in now.get("packages", {}) if name not in before.get("packages", {})]
    found = []
    for section in SECTIONS:
        old, new = before.get(section, {}), now.get(section, {})
        for name in sorted(set(old) | set(new)):
            if old.get(name) != new.get(name):
                plain = Difference(section, name, old.get(name), new.get(name))
                found.append(Difference(section, name, old.get(name), new.get(name), _reason(plain, added)))
    return found


def _reason(difference: Difference, added: List[str]) -> str:
    """Why uninstalling leaves this difference."""
    section, name, is_new = difference.section, difference.name, difference.before is None
    if section == "packages" and is_new:
        return "packages stay, because other software may need them by now"
    if section == "packages" and difference.now is not None:
        return "another version, which came with an upgrade"
    if section == "sysctls" and is_new:
        return "it came with a module of the kernel"
    with_packages = {
        "units": is_new and not _is_ours(name),
        "networks": is_new and name in _DOCKERS_OWN,
        "ports": False,
        "sysctls": name.startswith(_DOCKERS_SYSCTLS),
        "files": is_new and not _is_ours(name),
    }
    return "it came with packages that stay" if added and with_packages.get(section) else ""


def _is_ours(name: str) -> bool:
    return "twinport" in name


def units_to_undo(before: Mapping[str, Any], now: Mapping[str, Any], touched: List[str]) -> Iterator[List[str]]:
    """The arguments of systemctl that give the ``touched`` units the state that they had.

    A unit that was not there came with a package that stays, and is left alone.
    """
    for name in touched:
        old, new = before.get(name), now.get(name)
        if not old or not new:
            continue
        if old["enabled"] == "disabled" and new["enabled"] == "enabled":
            yield ["disable", name]
        if old["enabled"] == "enabled" and new["enabled"] == "disabled":
            yield ["enable", name]
        if new.get("active") and not old.get("active"):
            yield ["stop", name]


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join("{0} {1}".format(key, part) for key, part in value.items())
    return str(value)
