"""What every entry says about itself: name, version, mode, and the engine doctor's last report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from gateway import __version__
from gateway.domain.engine import Reason
from gateway.settings import CommonSettings, EngineMode

REPORT_BYTES = 1 << 20
# What asks how the entry is gets an answer however much it has to do.
PROBE_PATHS = frozenset({"/health", "/ready"})


class EntryHealth(BaseModel):
    """The part of ``GET /health`` that both entries share."""

    message: str = Field("ok", description="Always ok: the entry itself is up.")
    entry: str
    version: str = __version__
    engine_mode: EngineMode
    doctor: dict[str, Any] | None = Field(None, description="The engine doctor's last report, where there is one.")


def read_doctor_report(path: Path | None) -> dict[str, Any] | None:
    """The engine doctor's report; None where none is readable, because health answers whatever happens."""
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            report = json.loads(file.read(REPORT_BYTES))
    except (OSError, ValueError):
        return None
    return report if isinstance(report, dict) else None


def doctors_reason(path: Path | None, engine: str) -> Reason | None:
    """What the doctor found at fault with an engine or its host; None where it found nothing."""
    report = read_doctor_report(path) or {}
    try:
        for finding in report.get("findings", ()):
            if finding["severity"] == "fault" and finding["engine"] in (engine, None):
                return Reason(finding["title"]["zh"], finding["title"]["en"])
    except (KeyError, TypeError, AttributeError):
        return None
    return None


def entry_health(entry: str, settings: CommonSettings) -> EntryHealth:
    """Name, version, mode and report; reads one small file."""
    return EntryHealth(entry=entry, engine_mode=settings.engine_mode, doctor=read_doctor_report(settings.doctor_report))
