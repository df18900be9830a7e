"""What a gateway says of its own storage and clock in ``/health``, as lines for the catalogue's patterns."""

from __future__ import annotations

import json
import re
from typing import Any, List, Mapping

from .containers import Container
from .engine_http import QUICK, ask, hosts_of

PORTS = (9090, 8383)  # the voice and the video gateway
_CODE = re.compile(r"storage_[a-z_]{1,40}")


def entry_state(container: Container) -> str:
    """One line for each trouble that the gateway in the container reports; empty where it answers nothing."""
    if not container.running:
        return ""
    answers = (ask(host, port, "GET", "/health", timeout=QUICK) for host in hosts_of(container) for port in PORTS)
    return next(("\n".join(_lines(answer.body)) for answer in answers if answer is not None), "")


def _lines(body: bytes) -> List[str]:
    try:
        health = json.loads(body)
    except (ValueError, RecursionError):
        return []
    lines = []
    code = _part(health, "storage").get("code")
    if isinstance(code, str) and _CODE.fullmatch(code):
        lines.append(f"entry storage={code}")
    if _part(health, "clock").get("deletion_held") is True:
        lines.append("entry clock deletion_held=true")
    return lines


def _part(health: Any, name: str) -> Mapping[str, Any]:
    part = health.get(name) if isinstance(health, dict) else None
    return part if isinstance(part, dict) else {}
