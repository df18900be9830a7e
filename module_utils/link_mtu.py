# SPDX-License-Identifier: Apache-2.0
"""What the links of the host that this runs on can carry."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Tuple

from .host_commands import output_of, text_of


def outer_mtu() -> Tuple[str, int]:
    """The interface with the smallest MTU among those with a default route, and that MTU in bytes; ("", 0) for none."""
    found: Dict[str, int] = {}
    for family in ("-4", "-6"):
        for route in _routes(family):
            device = str(route.get("dev", ""))
            carried = text_of("/sys/class/net/{0}/mtu".format(device)).strip()
            if carried.isdigit():
                own = [int(metric["mtu"]) for metric in route.get("metrics") or [] if "mtu" in metric]
                found[device] = min([int(carried), found.get(device, int(carried)), *own])
    return min(found.items(), key=lambda item: item[1], default=("", 0))


def _routes(family: str) -> List[Dict[str, Any]]:
    try:
        routes = json.loads(output_of(["ip", "-j", family, "route", "show", "default"]) or "[]")
    except ValueError:
        return []
    return [route for route in routes if isinstance(route, dict)]
