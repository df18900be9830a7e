"""What the sandbox makes of the ways a decoder can end."""

from __future__ import annotations

import signal
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.infrastructure import sandbox
from gateway.infrastructure.sandbox import Bounds, Sandbox

BOUNDS = Bounds(wall_seconds=10, cpu_seconds=5, memory_bytes=1 << 30, file_bytes=1 << 20)


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "PAUSE_SECONDS", 0.01)


@pytest.mark.parametrize("ending", ["kill -TERM $$", "exit 255", "kill -KILL $$", "kill -ABRT $$", "kill -BUS $$"])
async def test_a_process_that_a_shutdown_ended_is_started_again(tmp_path: Path, ending: str) -> None:
    script = f"[ -e once ] && echo done && exit 0; touch once; {ending}"
    done = await Sandbox(1).run(["sh", "-c", script], folder=tmp_path, bounds=BOUNDS)
    assert done.ok
    assert done.stdout == b"done\n"


@pytest.mark.parametrize("by", ["TERM", "KILL"])
async def test_one_that_is_always_ended_is_given_up_and_the_system_blamed(tmp_path: Path, by: str) -> None:
    done = await Sandbox(1).run(["sh", "-c", f"echo >> tries; kill -{by} $$"], folder=tmp_path, bounds=BOUNDS)
    assert not done.ok
    assert done.killed
    assert len((tmp_path / "tries").read_text().splitlines()) == sandbox.ATTEMPTS


async def test_one_that_fails_by_itself_is_not_repeated(tmp_path: Path) -> None:
    done = await Sandbox(1).run(["sh", "-c", "echo >> tries; exit 1"], folder=tmp_path, bounds=BOUNDS)
    assert done.status == 1
    assert len((tmp_path / "tries").read_text().splitlines()) == 1


async def test_one_that_uses_up_its_processor_time_is_itself_to_blame(tmp_path: Path) -> None:
    bounds = Bounds(wall_seconds=60, cpu_seconds=3, memory_bytes=10**9, file_bytes=10**6)
    done = await Sandbox(1).run(["sh", "-c", "echo >> tries; while :; do :; done"], folder=tmp_path, bounds=bounds)
    assert (done.status, done.timed_out, done.killed) == (-signal.SIGKILL, False, False)
    assert len((tmp_path / "tries").read_text().splitlines()) == 1


async def test_a_process_that_hangs_is_killed(tmp_path: Path) -> None:
    bounds = Bounds(wall_seconds=0.3, cpu_seconds=5, memory_bytes=10**9, file_bytes=10**6)
    done = await Sandbox(1).run(["sleep", "613"], folder=tmp_path, bounds=bounds)
    assert done.timed_out
    assert not done.ok
    assert not processes_named("sleep", "613")


def processes_named(*command: str) -> list[Path]:
    wanted = "\0".join(command).encode() + b"\0"
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if path.read_bytes() == wanted:
                found.append(path)
    return found


async def test_a_process_can_not_fill_disk_or_memory(tmp_path: Path) -> None:
    bounds = Bounds(wall_seconds=20, cpu_seconds=10, memory_bytes=10**9, file_bytes=10**6)
    written = tmp_path / "x"
    await Sandbox(1).run(
        ["dd", "if=/dev/zero", f"of={written}", "bs=64k", "count=1000"], folder=tmp_path, bounds=bounds
    )
    assert written.stat().st_size <= 10**6
    greedy = await Sandbox(1).run(
        ["dd", "if=/dev/zero", "of=/dev/null", "bs=2G", "count=1"], folder=tmp_path, bounds=bounds
    )
    assert not greedy.ok


async def test_the_decoder_sees_nothing_of_our_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWINPORT_API_KEY", "secret")
    bounds = Bounds(wall_seconds=5, cpu_seconds=5, memory_bytes=10**9, file_bytes=0)
    done = await Sandbox(1).run(["env"], folder=tmp_path, bounds=bounds)
    assert b"secret" not in done.stdout
