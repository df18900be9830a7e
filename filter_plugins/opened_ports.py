# SPDX-License-Identifier: Apache-2.0
"""Filter that returns the ports that a run has opened in the host's own firewall."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def opened_ports(task: Mapping[str, Any], program: str, kept: Sequence[int]) -> list[str]:
    """Lines such as `ufw 8383/tcp` for the ports that a looped task has opened.

    Args:
        task: the registered result; its items have a `port` and, where it is not tcp, a `protocol`.
        program: name of the firewall's program.
        kept: ports that stay open whatever happens, such as those of SSH.
    """
    items = [row["item"] for row in task.get("results", []) if row.get("changed")]
    return [
        f"{program} {item['port']}/{item.get('protocol', 'tcp')}" for item in items if int(item["port"]) not in kept
    ]


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """The filters by their names."""
        return {"opened_ports": opened_ports}
