"""The doctor's report: one JSON document for programs, one table for people. Shape: docs/doctor.md."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from typing import Any, Dict, List, Mapping, Sequence

from .catalogue import Text
from .causes import Match
from .diagnosis import HOST, Diagnosis, Patient
from .memory import Memory
from .report_words import WORDS
from .settings import Settings
from .treatment import APPLIED, GIVEN_UP, TRIED, Decision

SCHEMA = 1


def build(
    diagnosis: Diagnosis, decisions: Sequence[Decision], memory: Memory, settings: Settings, now: datetime
) -> Dict[str, Any]:
    """The report as plain data. Holds no secret: names, log lines that show a fault, sentences, numbers."""
    return {
        "schema": SCHEMA,
        "checked_at": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "healthy": state_of(decisions) == "healthy",
        "state": state_of(decisions),
        "host": {"state": state_of([d for d in decisions if d.finding.where == HOST])},
        "containers": [_container(patient, decisions) for patient in diagnosis.patients],
        "findings": [_finding(decision) for decision in decisions],
        "cures": {
            "tried_total": memory.total,
            "failed_total": memory.failed,
            "limit_per_hour": settings.cures_per_hour,
        },
    }


def state_of(decisions: Sequence[Decision]) -> str:
    """``healthy``, ``recovering`` (cured, not yet proven), ``faulty`` or ``given_up``."""
    confirmed = [d for d in decisions if not d.finding.match.suspected]
    open_faults = [d for d in confirmed if d.finding.error.severity == "fault" and d.verified is not True]
    if not open_faults:
        return "healthy"
    if any(d.outcome in (GIVEN_UP, TRIED) for d in open_faults):
        return "given_up"
    recovering = all(d.outcome == APPLIED and d.verified is None for d in open_faults)
    return "recovering" if recovering else "faulty"


def table(report: Mapping[str, Any], language: str = "en") -> List[str]:
    """The report as lines: a row for the host and each container, then a paragraph for each finding."""
    words = WORDS[language]
    rows = [[words["place"], words["engine"], words["status"], words["state"]]]
    rows += [["host", "-", "-", words[report["host"]["state"]]]]
    rows += [[c["name"], c["engine"], c["status"] or "-", words[c["state"]]] for c in report["containers"]]
    lines = _aligned(rows)
    for finding in report["findings"]:
        lines += ["", *_paragraph(finding, language)]
    return lines


def _paragraph(finding: Mapping[str, Any], language: str) -> List[str]:
    words = WORDS[language]
    place, count = finding["container"] or "host", finding["count"]
    lines = [f"{place}: {finding['title'][language]} [{finding['id']}, {words[finding['severity']]}, {count}x]"]
    rows = [("seen", finding["evidence"]), ("cause", finding["cause"][language])]
    rows += [("followed", ", ".join(entry["id"] for entry in finding["consequences"]))]
    rows += [("advice", "" if finding["verified"] else finding["advice"][language])]
    rows += [("outcome", _outcome(finding, language))]
    return [*lines, *(f"  {words[name]}: {text}" for name, text in rows if text)]


def _outcome(finding: Mapping[str, Any], language: str) -> str:
    special = {APPLIED: f"applied_{finding['verified']}".lower(), GIVEN_UP: "given_up_outcome"}
    name = special.get(finding["outcome"], finding["outcome"])
    detail = f" ({finding['detail']})" if finding["detail"] else ""
    return WORDS[language][name] + detail


def _aligned(rows: Sequence[Sequence[str]]) -> List[str]:
    widths = [max(_width(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths)).rstrip() for row in rows]


def _width(text: str) -> int:
    """Columns on a terminal; Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _container(patient: Patient, decisions: Sequence[Decision]) -> Dict[str, Any]:
    container = patient.container
    return {
        "name": patient.name,
        "engine": patient.engine,
        "status": container.status if container else None,
        "state": state_of([d for d in decisions if d.finding.where == patient.name]),
        "restarts": container.restart_count if container else 0,
    }


def _finding(decision: Decision) -> Dict[str, Any]:
    finding, match = decision.finding, decision.finding.match
    return {
        **describe(match),
        "container": None if finding.where == HOST else finding.where,
        "remedy": decision.remedy or None,
        "cost": match.error.cost,
        "outcome": decision.outcome,
        "detail": decision.detail,
        "applied": decision.outcome == APPLIED,
        "verified": decision.verified,
    }


def describe(match: Match) -> Dict[str, Any]:
    """What is known of an error and where a text shows it, as plain data."""
    return {
        "id": match.error.id,
        "engine": match.error.engine,
        "severity": match.error.severity,
        "title": _text(match.error.title),
        "cause": _text(match.error.cause),
        "advice": _text(match.error.advice),
        "evidence": match.evidence,
        "count": match.count,
        "first_seen": match.first_seen,
        "last_seen": match.last_seen,
        "consequences": [{"id": f.id, "count": f.count, "evidence": f.evidence} for f in match.followers],
        "reference": match.error.reference,
    }


def _text(text: Text) -> Dict[str, str]:
    return {"en": text.en, "zh": text.zh}
