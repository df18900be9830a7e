# SPDX-License-Identifier: Apache-2.0
"""Whether Docker would start: its unit's flags, its settings, and the state of its units."""

from __future__ import annotations

import json
import re
from typing import Any, Dict, List, Mapping, Tuple

from ..dockerd_flags import clashes, settings_of, unknown
from ..dockerd_unit import DAEMON_JSON, dockerd_arguments, refusal
from ..file_flags import is_immutable
from ..host_commands import output_of, text_of
from ..last_words import last_words
from .dockerd_state import DockerdState

_UNITS = ("docker.service", "docker.socket", "containerd.service")


def ask_dockerd(wanted: Mapping[str, Any]) -> DockerdState:
    """Whether Docker would start.

    Args:
        wanted: settings that the inventory will put into daemon.json.
    """
    units = _units()
    masked = tuple(name for name, unit in units.items() if unit.get("LoadState") == "masked")
    failed = tuple((name, _words_of(name)) for name, unit in units.items() if _has_failed(unit))
    try:
        document = json.loads(text_of(DAEMON_JSON) or "{}")
    except ValueError:
        document = None
    if not isinstance(document, dict):
        # The row about daemon.json says so.
        return DockerdState(masked=masked, failed=failed)
    arguments = dockerd_arguments()
    coming = dict(document, **wanted)
    clashing = tuple(clashes(coming, settings_of(arguments)))
    refused = "" if clashing else refusal(json.dumps(coming), arguments)
    return DockerdState(
        clashes=clashing,
        unknown=tuple(unknown(coming)) if refused is None else (),
        refusal=refused or "",
        frozen=is_immutable(DAEMON_JSON),
        masked=masked,
        failed=failed,
    )


def _units() -> Dict[str, Dict[str, str]]:
    """Properties of Docker's units, by name; those that are not there have LoadState not-found."""
    shown = output_of(["systemctl", "show", "--property=Id,LoadState,ActiveState,SubState", *_UNITS])
    blocks: List[Dict[str, str]] = [dict(_pairs(block)) for block in re.split(r"\n\n+", shown.strip())]
    return {block["Id"]: block for block in blocks if "Id" in block}


def _pairs(block: str) -> List[Tuple[str, str]]:
    return [(name, value) for name, equals, value in (line.partition("=") for line in block.splitlines()) if equals]


def _has_failed(unit: Mapping[str, str]) -> bool:
    """Whether a unit's last start failed, even if systemd is about to try again."""
    return unit.get("ActiveState") == "failed" or unit.get("SubState") == "auto-restart"


def _words_of(unit: str) -> str:
    return last_words(output_of(["journalctl", "--unit", unit, "--lines", "40", "--output", "cat", "--no-pager"]))
