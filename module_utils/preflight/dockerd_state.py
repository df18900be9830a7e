# SPDX-License-Identifier: Apache-2.0
"""What was found out about Docker's unit and settings. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple


@dataclass(frozen=True)
class DockerdState:
    """Whether Docker would start with the settings that the run leaves.

    Args:
        clashes: settings of daemon.json, or of the inventory for it, that are flags of the unit too, with the flag.
        unknown: settings that no Docker knows; only where no dockerd could tell.
        refusal: what the installed dockerd says against its settings, "" for nothing.
        frozen: whether daemon.json is immutable.
        masked: units that can't be started.
        failed: units that failed at their last start, each with their last words.
    """

    clashes: Tuple[Tuple[str, str], ...] = ()
    unknown: Tuple[str, ...] = ()
    refusal: str = ""
    frozen: bool = False
    masked: Tuple[str, ...] = ()
    failed: Tuple[Tuple[str, str], ...] = ()
