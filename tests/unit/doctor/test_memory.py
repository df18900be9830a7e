"""What is remembered from visit to visit."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from doctor.memory import Cure, Memory, write_json
from doctor.times import render

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def cure(number: int, **more: Any) -> Cure:
    at = render(NOW - timedelta(minutes=number))
    return replace(Cure("fault", "engine", "restart", at, "start", None), **more)


def test_what_is_remembered_survives(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "state" / "state.json")
    for minutes in (90, 30, 20):
        memory.remember(cure(minutes))
    memory.remember(cure(20, error="other"))
    memory.save()
    again = Memory(tmp_path / "state" / "state.json")
    assert again.cures == memory.cures
    assert again.recent("engine", NOW) == 2  # what ended together is one round
    assert again.recent("elsewhere", NOW) == 0
    assert again.last_cure("engine") == render(NOW - timedelta(minutes=20))
    assert again.tried("fault", "engine", "start")
    assert not again.tried("fault", "engine", "later start")


def test_open_cures_are_settled_once(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "state.json")
    memory.remember(cure(1))
    memory.settle("engine", verified=False)
    memory.settle("engine", verified=True)
    assert (memory.cures[0].verified, memory.total, memory.failed) == (False, 1, 1)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema": 1}', '{"schema": 1, "cures": [1], "totals": {}}'])
def test_a_damaged_memory_is_an_empty_one(tmp_path: Path, content: str) -> None:
    (tmp_path / "state.json").write_text(content)
    assert Memory(tmp_path / "state.json").cures == ()


def test_the_memory_does_not_grow_for_ever(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "state.json")
    for number in range(600):
        memory.remember(cure(number))
    assert (len(memory.cures), memory.total) == (500, 600)


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_json(path, {"a": 1}, mode=0o644)
    with pytest.raises(TypeError):
        write_json(path, {"a": object()}, mode=0o644)
    assert json.loads(path.read_text()) == {"a": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.json"]
