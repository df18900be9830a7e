"""Every entry's description: name, version, mode, and the engine doctor's last report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from gateway import __version__
from gateway.domain.errors import Language, Reason
from gateway.domain.steady_clock import SteadyState
from gateway.domain.storage import StorageError
from gateway.settings import CommonSettings, EngineMode

REPORT_BYTES = 1 << 20


class ClockHealth(BaseModel):
    """Whether the machine's clock is trusted."""

    deletion_held: bool = Field(
        description="Nothing is deleted, since the machine's clock jumped or nothing is known of it; see "
        "docs/operations.md."
    )
    seconds_ahead: float = Field(description="Of the machine's clock before the time that the entry goes by.")


class StorageTrouble(BaseModel):
    """What is wrong with the server's disk or database."""

    code: str = Field(description="storage_full, storage_busy, storage_broken or storage_read_only.")
    message: str = Field(description="The same in words.")


class EntryHealth(BaseModel):
    """The part of ``GET /health`` that both entries share."""

    message: str = Field("ok", description="Always ok: the entry itself is up.")
    entry: str
    version: str = __version__
    engine_mode: EngineMode
    clock: ClockHealth
    storage: StorageTrouble | None = Field(None, description="What is wrong with the storage; null where it works.")
    doctor: dict[str, Any] | None = Field(None, description="The engine doctor's last report, where there is one.")


def read_doctor_report(path: Path | None) -> dict[str, Any] | None:
    """The engine doctor's report; None if it can't be read, because health always answers."""
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            report = json.loads(file.read(REPORT_BYTES))
    except (OSError, ValueError):
        return None
    return report if isinstance(report, dict) else None


def doctor_reason(path: Path | None, engine: str) -> Reason | None:
    """The doctor's findings on an engine or its host; None if it found nothing."""
    report = read_doctor_report(path) or {}
    try:
        for finding in report.get("findings", ()):
            if finding["severity"] == "fault" and finding["engine"] in (engine, None):
                return Reason(finding["title"]["zh"], finding["title"]["en"])
    except (KeyError, TypeError, AttributeError):
        return None
    return None


def entry_health(
    entry: str, settings: CommonSettings, clock: SteadyState, *, trouble: StorageError | None, language: Language
) -> EntryHealth:
    """Name, version, mode, clock, trouble with the storage, and report; reads one small file."""
    return EntryHealth(
        entry=entry,
        engine_mode=settings.engine_mode,
        clock=ClockHealth(deletion_held=clock.held, seconds_ahead=round(clock.wall_ahead, 1)),
        storage=StorageTrouble(code=trouble.code, message=trouble.sentence(language)) if trouble is not None else None,
        doctor=read_doctor_report(settings.doctor_report),
    )
