"""What is written and shown."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path

from rich.console import Console

from bench import results
from bench.measure import Figure, at_most

MISSED = Figure("stream/first byte/twinport", 4.0, "ms", 0.5, 1.0, "engine", 4.0, at_most(3.0))
PLAIN = Figure("doctor/memory/twinport", 33.0, "MiB")


def test_a_record_has_exactly_the_documented_fields() -> None:
    assert results.as_record(MISSED) == {
        "name": "stream/first byte/twinport",
        "value": 4.0,
        "unit": "ms",
        "baseline": 1.0,
        "ratio": 4.0,
        "goal": "value <= 3",
        "met": False,
    }
    assert tuple(results.as_record(PLAIN)) == results.FIELDS
    assert results.as_record(PLAIN)["met"] is None


def test_numbers_that_json_does_not_know_become_null() -> None:
    record = results.as_record(Figure("case/time", math.nan, "ms", ratio=math.inf))
    assert (record["value"], record["ratio"]) == (None, None)


def test_a_case_replaces_its_own_figures_and_leaves_the_others(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    results.keep(file, "stream", [MISSED, Figure("stream/old", 1.0, "ms")])
    results.keep(file, "doctor", [PLAIN])
    results.keep(file, "stream", [MISSED])
    names = [record["name"] for record in json.loads(file.read_text(encoding="utf-8"))]
    assert names == ["doctor/memory/twinport", "stream/first byte/twinport"]
    assert list(tmp_path.iterdir()) == [file]


def test_the_table_shows_missed_goals() -> None:
    screen = io.StringIO()
    results.show("title", [MISSED, PLAIN], Console(file=screen, force_terminal=False))
    lines = screen.getvalue().splitlines()
    (missed,) = [line for line in lines if "first byte" in line]
    (plain,) = [line for line in lines if "memory" in line]
    assert "missed" in missed
    assert "value <= 3" in missed
    assert "missed" not in plain
