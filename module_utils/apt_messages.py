# SPDX-License-Identifier: Apache-2.0
"""Reading what apt-get says: which source, package or file is at fault, why, and what helps. Rules only, no I/O.

The texts are those of apt 1.6 to 3.0 under ``LC_ALL=C``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Dict, List, Sequence, Tuple

from .apt_sayings import DEAD_CURE, DPKG_CURE, KEY_CURE, SAYINGS


@dataclass(frozen=True)
class Fault:
    """One thing that apt can't use.

    Args:
        subject: a source (``http://host/debian bookworm``), a package, a file or an address.
        reason: in a few words.
        cure: what the reader can do.
        source: whether it is a source, without which apt goes on.
    """

    subject: str
    reason: str
    cure: str
    source: bool = False


_PATTERNS = tuple((re.compile(saying.pattern), saying) for saying in SAYINGS)
_LINE = re.compile(r"^(?:E|W|Error|Warning): (.*)$")
_FAILED = re.compile(r"^Err:\d+ (\S.*)$")
_RELEASE = re.compile(r" +(?:In)?Release(?:\.gpg)?(?: \[.*\])?$")
_SCRIPT = re.compile(r"^dpkg: error processing (?:package|archive) (\S+)")
_DPKG_ERROR = re.compile(r"^dpkg: error: (.*)$")
_HOLDS = re.compile(r"held by process (\d+)(?: \(([^)]*)\))?")
_LOCKED = re.compile(r"Could not get lock|Unable to lock directory|Unable to acquire the dpkg frontend lock")


def faults(text: str) -> Tuple[Fault, ...]:
    """Everything at fault in the output of one run of apt-get, each subject once.

    Args:
        text: standard output and standard error, one after the other.
    """
    unanswered = _unanswered(text)
    # Where a block of Err names the source, the line at the end only says it again.
    said = [fault for fault in _said(text) if not (unanswered and "://" in fault.subject and not fault.source)]
    found: Dict[str, Fault] = {}
    for fault in [*unanswered, *said, *_scripts(text)]:
        found.setdefault(fault.subject or fault.reason, fault)
    return tuple(found.values())


def is_locked(text: str) -> bool:
    """Whether apt-get gave up because another program holds one of its locks."""
    return _LOCKED.search(text) is not None


def removed(text: str) -> List[str]:
    """Packages that apt-get said it would remove."""
    return _listed(text, "The following packages will be REMOVED:")


def held(text: str) -> List[str]:
    """Packages that are held back and that apt-get said it would change."""
    return _listed(text, "The following held packages will be changed:")


def unmet(text: str) -> List[str]:
    """The dependencies that apt-get could not meet, a sentence each."""
    return _block(text, "The following packages have unmet dependencies:")


def sentence(found: Sequence[Fault]) -> str:
    """The faults as text: what, why and what to do."""
    told = ((fault.subject + ": " if fault.subject else "", fault.reason.rstrip("."), fault.cure) for fault in found)
    return " ".join("{0}{1}. {2}".format(*parts).strip() for parts in told)


def _said(text: str) -> List[Fault]:
    """Lines that begin with E or W; a reason is widened by the lists that apt prints before it."""
    found = []
    for line in text.splitlines():
        said = _LINE.match(line)
        if not said:
            continue
        for pattern, saying in _PATTERNS:
            match = pattern.match(said.group(1))
            if match:
                about = _more(text, match.expand(saying.reason))
                found.append(Fault(match.expand(saying.subject).strip(), about, saying.cure, saying.source))
                break
    return found


def _more(text: str, reason: str) -> str:
    """A reason with the packages that it is about."""
    names = {
        "installed packages would have to be removed": removed(text),
        "packages that are held back would have to change": held(text),
        "packages can't be installed together": unmet(text),
        "installed packages lack others that they need": unmet(text),
    }.get(reason, [])
    if reason == "another program works with packages":
        holder = _HOLDS.search(text)
        names = ["{0} (process {1})".format(holder.group(2) or "it", holder.group(1))] if holder else []
    return "{0}: {1}".format(reason, ", ".join(names)) if names else reason


def _unanswered(text: str) -> List[Fault]:
    """Blocks of ``Err:``: a source, and on the next line why it could not be fetched."""
    found = []
    lines = text.splitlines()
    for line, following in zip(lines, [*lines[1:], ""]):
        failed = _FAILED.match(line)
        if failed:
            reason = following.strip() if following.startswith("  ") else "it could not be fetched"
            cure = KEY_CURE if "signature" in reason else DEAD_CURE
            found.append(Fault(_source(failed.group(1)), reason, cure, source=True))
    return found


def _source(description: str) -> str:
    """The source of an item that apt fetches: its address and suite."""
    if _RELEASE.search(description):
        return _RELEASE.sub("", description)
    return " ".join(description.split()[:2])


def _scripts(text: str) -> List[Fault]:
    """Packages that dpkg could not unpack or configure, with the lines before and after that line."""
    found = []
    lines = text.splitlines()
    for number, line in enumerate(lines):
        refused = _DPKG_ERROR.match(line)
        if refused:
            found.append(Fault("dpkg", " ".join([refused.group(1), *lines[number + 1 : number + 2]]), DPKG_CURE))
        failed = _SCRIPT.match(line)
        if failed:
            said = [lines[at].strip() for at in (number - 1, number + 1) if 0 <= at < len(lines)]
            found.append(Fault("package " + failed.group(1).rstrip(":"), "; ".join(filter(None, said)), DPKG_CURE))
    return found


def _listed(text: str, heading: str) -> List[str]:
    return [name.rstrip("*") for line in _block(text, heading) for name in line.split()]


def _block(text: str, heading: str) -> List[str]:
    """The indented lines below a heading."""
    lines = text.splitlines()
    if heading not in lines:
        return []
    found = []
    for line in lines[lines.index(heading) + 1 :]:
        if not line.startswith(" "):
            break
        found.append(line.strip())
    return found
