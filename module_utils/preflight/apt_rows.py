# SPDX-License-Identifier: Apache-2.0
"""Rules about the packages that the run will install: dpkg's state, apt's sources, and what apt answers. No I/O."""

from __future__ import annotations

from typing import Optional, Sequence, Tuple

from ..apt_messages import Fault
from ..apt_sayings import DPKG_CURE
from .apt_state import AptState
from .model import FAIL, OK, WARN, Host, Row, Wanted


def dpkg(host: Host, _wanted: Wanted) -> Optional[Row]:
    """Whether dpkg takes work; None where nothing has to be installed."""
    found = host.apt
    detail, cure = _stopped(found)
    if detail:
        return Row("dpkg", FAIL, detail, cure)
    if found.lock_holder:
        detail = "{0} works with packages now".format(found.lock_holder)
        return Row("dpkg", WARN, detail, "The run waits for it, five minutes for each step.")
    if found.unfinished:
        return Row("dpkg", WARN, "not configured yet: {0}".format(", ".join(found.unfinished)), DPKG_CURE)
    return Row("dpkg", OK, "in order") if found.asked else None


def sources(host: Host, _wanted: Wanted) -> Optional[Row]:
    """Whether apt can read its sources; one that it can't read does no harm where the packages come from others."""
    found = host.apt
    if not found.unread:
        return Row("apt sources", OK, "all of them answer") if found.asked else None
    fatal = [fault for fault in found.unread if not fault.source]
    if fatal or found.refusals:
        return Row("apt sources", FAIL, _details(found.unread), _cures(fatal or found.unread))
    without = ", ".join(found.wanted)
    note = "; the run goes on without, as {0} can be installed".format(without) if without else ""
    return Row("apt sources", WARN, _details(found.unread) + note, _cures(found.unread))


def installation(host: Host, _wanted: Wanted) -> Optional[Row]:
    """Whether apt would install what the run needs; None where it needs nothing that could be tried."""
    found = host.apt
    if found.problem:
        return Row("apt install", WARN, "could not be tried: " + found.problem, "See the other rows for the cause.")
    if found.refusals:
        return Row("apt install", FAIL, _details(found.refusals), _cures(found.refusals))
    if found.wanted:
        return Row("apt install", OK, "possible: " + ", ".join(found.wanted))
    return None


def _stopped(found: AptState) -> Tuple[str, str]:
    """Why dpkg would not take our work, and the cure; empty where it would."""
    if found.interrupted:
        return "it was interrupted, and refuses further work", DPKG_CURE
    if found.damage:
        return found.damage, "Restore the file: dpkg keeps copies as /var/backups/dpkg.status.*."
    if found.broken:
        return "it could not configure or install " + ", ".join(found.broken), DPKG_CURE
    if found.frozen:
        cure = "A panel's or provider's protection did that. Switch it off for the run, or `chattr -i {0}`."
        return "it can't change {0}: immutable".format(", ".join(found.frozen)), cure.format(" ".join(found.frozen))
    return "", ""


def _details(found: Sequence[Fault]) -> str:
    return "; ".join((fault.subject + ": " if fault.subject else "") + fault.reason for fault in found)


def _cures(found: Sequence[Fault]) -> str:
    return " ".join(dict.fromkeys(fault.cure for fault in found if fault.cure)) or "Ask apt itself: apt-get install."
