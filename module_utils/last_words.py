# SPDX-License-Identifier: Apache-2.0
"""Choosing, from what a program wrote before it failed, the lines that say why. Rules only, no I/O."""

from __future__ import annotations

import re
from typing import List

_MOST_LINES, _MOST_CHARACTERS = 6, 900
# systemd's own remarks about a unit that failed; none of them says why.
_REMARK = re.compile(
    r"Scheduled restart job|Start request repeated|Main process exited|Failed with result|Consumed .* CPU time"
    r"|^(?:Stopp|Start)(?:ing|ed) |^(?:docker|containerd)\.(?:service|socket): (?:Deactivated|Unit process)|^-- "
    r"|Failed to start .*\.$|^Dependency failed for |Job .* failed with result"
)
_TELLING = re.compile(
    r"\berror\b|\bfail(?:ed|ure)?\b|\bfatal\b|^E: |^Err:|\bunable to\b|\bcan(?:no|')t\b|\bdenied\b|\brefused\b"
    r"|\bnot found\b|\bno such\b|no space left|\btimed? ?out\b|\bunknown\b|\binvalid\b",
    re.IGNORECASE,
)
_MESSAGE = re.compile(r'\blevel=(\w+)\b.*?\bmsg="((?:[^"\\]|\\.)*)"(?:.*?\berror="((?:[^"\\]|\\.)*)")?')


def last_words(text: str) -> str:
    """The last telling lines of a log or an output, joined; without any, its last lines."""
    lines = [_plain(line) for line in text.splitlines()]
    lines = [line for line in lines if line and not _REMARK.search(line)]
    telling = [line for line in lines if _TELLING.search(line)]
    chosen = _unique((telling or lines)[-_MOST_LINES:])
    return "; ".join(chosen)[-_MOST_CHARACTERS:]


def _plain(line: str) -> str:
    """A line without colours, and of a line of dockerd's only its message."""
    bare = re.sub(r"\x1b\[[0-9;]*m", "", line).strip()
    found = _MESSAGE.search(bare)
    if not found:
        return bare
    level, message, error = found.groups()
    if level in ("debug", "info"):
        return ""
    return "{0}: {1}".format(message, error) if error else message


def _unique(lines: List[str]) -> List[str]:
    return list(dict.fromkeys(lines))
