# SPDX-License-Identifier: Apache-2.0
"""The package archives that the host which this runs on is set up for."""

from __future__ import annotations

from pathlib import Path
from typing import List

from .apt_sources import uris
from .host_commands import text_of

_LIST = Path("/etc/apt/sources.list")
_FOLDER = Path("/etc/apt/sources.list.d")


def archive_uris() -> List[str]:
    """Addresses of apt's sources, each once; empty where there is no apt."""
    found: List[str] = []
    for path in [_LIST, *sorted(_FOLDER.glob("*"))]:
        if path.suffix in (".list", ".sources"):
            found += uris(text_of(str(path)), path.suffix == ".sources")
    return list(dict.fromkeys(found))
