"""The doctor's report: one JSON document for programs, one table for people. Shape: docs/doctor.md."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Dict, List, Mapping, Sequence

from .catalogue import Text
from .diagnosis import Diagnosis, Patient
from .memory import Memory
from .settings import Settings
from .treatment import APPLIED, GIVEN_UP, PLANNED, TRIED, Decision

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
    open_faults = [d for d in decisions if d.finding.error.severity == "fault" and d.verified is not True]
    if not open_faults:
        return "healthy"
    if any(d.outcome in (GIVEN_UP, TRIED) for d in open_faults):
        return "given_up"
    recovering = all(d.outcome == APPLIED and d.verified is None for d in open_faults)
    return "recovering" if recovering else "faulty"


def table(report: Mapping[str, Any], language: str = "en") -> List[str]:
    """The report as lines: a row for each container, then what was found."""
    words = _WORDS[language]
    rows = [words["head"]]
    rows += [[c["name"], c["engine"], c["status"] or "-", words[c["state"]]] for c in report["containers"]]
    rows += [["host", f["id"], "-", f["outcome"]] for f in report["findings"] if f["container"] is None]
    lines = _aligned(rows)
    for finding in report["findings"]:
        lines += ["", *_paragraph(finding, language, words)]
    return lines


_WORDS: Dict[str, Any] = {
    "en": {"head": ["CONTAINER", "ENGINE", "STATUS", "STATE"], "healthy": "healthy", "faulty": "faulty",
           "recovering": "recovering", "given_up": "given up", "cause": "why", "advice": "what to do",
           "seen": "seen", "outcome": "outcome"},
    "zh": {"head": ["容器", "引擎", "运行状态", "结论"], "healthy": "健康", "faulty": "有故障",
           "recovering": "恢复中", "given_up": "已停止自动修复", "cause": "原因", "advice": "怎么办",
           "seen": "日志", "outcome": "处理"},
}  # fmt: skip


def _paragraph(finding: Mapping[str, Any], language: str, words: Mapping[str, str]) -> List[str]:
    place = finding["container"] or "host"
    lines = [f"{place}: {finding['title'][language]} [{finding['id']}, {finding['severity']}, x{finding['count']}]"]
    lines.append(f"  {words['seen']}: {finding['evidence']}")
    lines.append(f"  {words['cause']}: {finding['cause'][language]}")
    if finding["verified"] is not True:
        lines.append(f"  {words['advice']}: {finding['advice'][language]}")
    outcome = finding["outcome"] + (f" ({finding['detail']})" if finding["detail"] else "")
    lines.append(f"  {words['outcome']}: {outcome}, verified: {finding['verified']}")
    return lines


def _aligned(rows: Sequence[Sequence[str]]) -> List[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


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
        "id": match.error.id,
        "container": None if finding.where == "host" else finding.where,
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
        "remedy": decision.remedy or None,
        "cost": match.error.cost,
        "outcome": decision.outcome,
        "detail": decision.detail,
        "applied": decision.outcome == APPLIED,
        "verified": decision.verified,
        "reference": match.error.reference,
    }


def _text(text: Text) -> Dict[str, str]:
    return {"en": text.en, "zh": text.zh}


__all__ = ["PLANNED", "SCHEMA", "build", "state_of", "table"]
