# SPDX-License-Identifier: Apache-2.0
"""The package archives that the host which this runs on is set up for."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Iterable, List

from .apt_messages import Fault
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


def with_files(found: Iterable[Fault], etc: str) -> List[Fault]:
    """The faults of sources with the file that each stands in, below apt's folder ``etc``; all others as they are."""
    folder = Path(etc)
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    texts = {path: text_of(str(path)) for path in files if path.suffix in (".list", ".sources")}
    named = []
    for fault in found:
        uri = fault.subject.split(" ")[0]
        holders = [str(path) for path, text in texts.items() if fault.source and uri.rstrip("/") in text]
        subject = "{0} (in {1})".format(fault.subject, ", ".join(holders)) if holders else fault.subject
        named.append(dataclasses.replace(fault, subject=subject))
    return named
