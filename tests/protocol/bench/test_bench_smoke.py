"""The whole command on a cheap case: it measures, prints and writes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers import ROOT

pytestmark = pytest.mark.slow


def test_a_quick_case_runs_from_end_to_end(tmp_path: Path) -> None:
    output = tmp_path / "results.json"
    command = [sys.executable, "-m", "bench", "--only", "doctor", "--quick", "--rounds", "1", "--output", str(output)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    records = {record["name"]: record for record in json.loads(output.read_text(encoding="utf-8"))}
    assert records["doctor/findings in 100 MiB of healthy log/twinport"]["met"] is True
    faults = next(record for name, record in records.items() if "with faults" in name)
    assert faults["value"] > 0
    (time,) = [record for name, record in records.items() if name.endswith("time/twinport")]
    assert time["baseline"] > 0
    assert "quick sizes" in done.stdout
