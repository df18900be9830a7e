"""What the sandbox makes of the ways a decoder can end."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.infrastructure import sandbox
from gateway.infrastructure.sandbox import Bounds, Sandbox

BOUNDS = Bounds(wall_seconds=10, cpu_seconds=5, memory_bytes=1 << 30, file_bytes=1 << 20)


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "PAUSE_SECONDS", 0.01)


@pytest.mark.parametrize("ending", ["kill -TERM $$", "exit 255"])
async def test_a_process_that_a_shutdown_ended_is_started_again(tmp_path: Path, ending: str) -> None:
    script = f"[ -e once ] && echo done && exit 0; touch once; {ending}"
    done = await Sandbox(1).run(["sh", "-c", script], folder=tmp_path, bounds=BOUNDS)
    assert done.ok
    assert done.stdout == b"done\n"


async def test_one_that_is_always_ended_is_given_up(tmp_path: Path) -> None:
    done = await Sandbox(1).run(["sh", "-c", "echo >> tries; kill -TERM $$"], folder=tmp_path, bounds=BOUNDS)
    assert not done.ok
    assert len((tmp_path / "tries").read_text().splitlines()) == sandbox.ATTEMPTS


async def test_one_that_fails_by_itself_is_not_repeated(tmp_path: Path) -> None:
    done = await Sandbox(1).run(["sh", "-c", "echo >> tries; exit 1"], folder=tmp_path, bounds=BOUNDS)
    assert done.status == 1
    assert len((tmp_path / "tries").read_text().splitlines()) == 1
