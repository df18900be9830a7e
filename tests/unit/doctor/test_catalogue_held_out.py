"""Lines that the catalogue was not written from: whatever it makes of them, it is nothing wrong."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from doctor.catalogue import Catalogue
from doctor.log_matcher import Rules, match_text, reading_of

HELD_OUT = yaml.safe_load((Path(__file__).parent / "held_out.yml").read_text("utf-8"))
TRACEBACK = 'Traceback (most recent call last):\n  File "server.py", line 92, in <module>\n'
NOTHING_EXACT = {"docker-start-failed", "docker-down", "package-versions"}


def causes(catalogue: Catalogue, sample: dict[str, Any]) -> list[str]:
    engine, source = sample.get("engine", "duix"), sample.get("source", "log")
    rules = Rules.of(catalogue.select(engine, source), catalogue.benign, reading=reading_of(engine, source))
    text = sample.get("text") or TRACEBACK + sample["exception"]
    return [match.error.id for match in match_text(text.encode(), rules)]


@pytest.mark.parametrize("sample", HELD_OUT, ids=lambda sample: sample["from"])
def test_no_line_is_taken_for_another_fault(catalogue: Catalogue, sample: dict[str, Any]) -> None:
    assert set(causes(catalogue, sample)) <= {sample["id"], *NOTHING_EXACT}


@pytest.mark.parametrize("sample", [s for s in HELD_OUT if s["recognised"]], ids=lambda sample: sample["from"])
def test_what_was_recognised_stays_so(catalogue: Catalogue, sample: dict[str, Any]) -> None:
    assert causes(catalogue, sample) == [sample["id"]]
