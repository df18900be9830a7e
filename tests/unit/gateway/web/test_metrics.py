"""The engine doctor's report among the entry's metrics."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from gateway.settings import VoiceSettings
from gateway.web.metrics import Metrics

REPORT = {
    "healthy": False,
    "findings": [{"id": "matcha-missing"}, {"id": "oom"}],
    "cures": {"tried_total": 5, "failed_total": 1, "limit_per_hour": 3},
}


def reading(tmp_path: Path, name: str) -> float:
    """One metric as a scrape would read it."""
    metrics = Metrics(entry="voice", settings=VoiceSettings(data_dir=tmp_path, doctor_report=tmp_path / "report.json"))
    value = metrics.registry.get_sample_value(f"twinport_doctor_{name}")
    assert value is not None
    return value


@pytest.mark.parametrize(("name", "value"), [("healthy", 0), ("findings", 2), ("cures_tried", 5), ("cures_failed", 1)])
def test_the_report_is_shown(tmp_path: Path, name: str, value: float) -> None:
    (tmp_path / "report.json").write_text(json.dumps(REPORT))
    assert reading(tmp_path, name) == value


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"healthy": null, "findings": 3, "cures": []}'])
def test_a_missing_or_invalid_report_breaks_nothing(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "report.json").write_text(content)
    for name in ("healthy", "findings", "cures_tried", "cures_failed"):
        assert math.isnan(reading(tmp_path, name))
