# SPDX-License-Identifier: Apache-2.0
"""Reading and switching off apt's repository entries, sources.list(5): rules only, no I/O."""

from __future__ import annotations

import re
from typing import Callable, Dict, List

_OFF = "# switched off by twinport: "
_OFF_STANZA = _OFF.rstrip(": ") + "\nEnabled: no"
_ENTRY = re.compile(r"^\s*deb(?:-src)?\s+(?:\[[^\]]*\]\s*)?(\S+)")


def uris(text: str, deb822: bool) -> List[str]:
    """The addresses of all active entries of a sources file, in order, each once."""
    found = [uri for stanza in text.split("\n\n") for uri in _stanza_uris(stanza)] if deb822 else _line_uris(text)
    return list(dict.fromkeys(found))


def switch_off(text: str, deb822: bool, matches: Callable[[str], bool]) -> str:
    """The file with every entry switched off whose address ``matches``; all else untouched."""
    if not deb822:
        return "".join(_OFF + line if _matches_line(line, matches) else line for line in text.splitlines(keepends=True))
    stanzas = text.split("\n\n")
    return "\n\n".join(
        stanza.rstrip("\n") + "\n" + _OFF_STANZA + ("\n" if stanza.endswith("\n") else "")
        if any(matches(uri) for uri in _stanza_uris(stanza))
        else stanza
        for stanza in stanzas
    )


def switch_on(text: str, deb822: bool, matches: Callable[[str], bool]) -> str:
    """What ``switch_off`` was given; entries that somebody else switched off stay off."""
    if deb822:
        stanzas = [(stanza, stanza.replace("\n" + _OFF_STANZA, "")) for stanza in text.split("\n\n")]
        return "\n\n".join(on if any(matches(uri) for uri in _stanza_uris(on)) else off for off, on in stanzas)
    lines = [(line, line[len(_OFF) :] if line.startswith(_OFF) else line) for line in text.splitlines(keepends=True)]
    return "".join(on if _matches_line(on, matches) else off for off, on in lines)


def _matches_line(line: str, matches: Callable[[str], bool]) -> bool:
    found = _ENTRY.match(line)
    return bool(found) and matches(found.group(1))  # type: ignore[union-attr]


def _line_uris(text: str) -> List[str]:
    return [found.group(1) for found in map(_ENTRY.match, text.splitlines()) if found]


def _stanza_uris(stanza: str) -> List[str]:
    fields: Dict[str, str] = {}
    name = ""
    for line in stanza.splitlines():
        if line.startswith("#"):
            continue
        if line[:1].isspace():
            fields[name] = fields.get(name, "") + " " + line.strip()
            continue
        name, _colon, value = line.partition(":")
        name = name.strip().lower()
        fields[name] = value.strip()
    if fields.get("enabled", "yes").lower() in ("no", "false", "0", "off"):
        return []
    return fields.get("uris", "").split()
