"""Proves a cure: the fault stays away and the engine does a piece of real work."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import FrozenSet, List, Optional, Sequence, Tuple

from .causes import Match
from .diagnosis import Examiner, Patient
from .engine_http import works

PAUSE = 2.0  # seconds between two looks


@dataclass(frozen=True)
class Verdict:
    """Whether a cure helped: True, False (the fault came back) or None (not decided in time).

    ``hidden``: faults that showed only now, because the cured one stood before them.
    """

    verified: Optional[bool]
    hidden: Tuple[Match, ...] = ()


def verify(
    examiner: Examiner, patient: Patient, cured: FrozenSet[str], timeout: float, *, request: bool = True
) -> Verdict:
    """Wait, at most ``timeout`` seconds, until the patient's engine works, a cured fault is back, or another one shows.

    ``request``: whether the engine has to answer a working request, or the fault's absence is enough.
    """
    deadline = time.monotonic() + timeout
    while True:
        now = examiner.patient(patient.name, patient.engine)
        faults = _faults(examiner, now)
        if not faults and now.container and works(now.container, patient.engine if request else ""):
            # The request itself may have woken a fault.
            return _judge(_faults(examiner, examiner.patient(patient.name, patient.engine)), cured, Verdict(True))
        verdict = _judge(faults, cured, Verdict(None))
        if verdict != Verdict(None) or time.monotonic() >= deadline:
            return verdict
        time.sleep(PAUSE)


def _faults(examiner: Examiner, patient: Patient) -> List[Match]:
    """The faults that count; what only a log speaks of decides nothing."""
    return [m for m in examiner.examine(patient) if m.error.severity == "fault" and not m.suspected]


def _judge(faults: Sequence[Match], cured: FrozenSet[str], otherwise: Verdict) -> Verdict:
    if any(match.error.id in cured for match in faults):
        return Verdict(False)
    hidden = tuple(match for match in faults if match.error.remedies and not match.error.symptom)
    return Verdict(None, hidden) if hidden else otherwise
