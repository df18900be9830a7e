"""A wall clock that is wrong, for a moment or for long, deletes nothing, stalls nothing and fails nothing."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.faketime import WallClock
from tests.support.raw_http import until
from tests.support.servers import ROOT, Server
from tests.support.video import VideoBench, video_bench
from tests.support.voice import voice_bench

FORTY_DAYS = 40 * 86400
# The youngest age that may be set.
MINUTE = 60
# A correction as NTP makes it is followed at once.
SMALL = 100
ROUNDS = 2.0  # seconds for many turns of retention
KEPT_A_MINUTE = {
    "results_max_age": MINUTE,
    "uploads_max_age": MINUTE,
    "tasks_max_age": MINUTE,
    "retention_interval": 0.2,
}


def clock_of(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = requests.get(server.url + "/health", timeout=20).json()["clock"]
    return found


def wait_for_hold(server: Server, held: bool) -> None:
    until(lambda: clock_of(server)["deletion_held"] is held)


def trust(server: Server) -> str:
    """Do what docs/operations.md says."""
    command, environment = [*server.command, "trust-clock"], {**os.environ, **server.environment}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def aged(path: Path, seconds: float) -> Path:
    """A file that was last changed so long ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    os.utime(path, (time.time() - seconds,) * 2)
    return path


@contextmanager
def video(folder: Path, wall: WallClock, **settings: object) -> Iterator[VideoBench]:
    """An entry that sees this clock, with an engine that sees the real one."""
    with video_bench(folder, **{**KEPT_A_MINUTE, **settings}) as bench:
        bench.gateway.stop()
        bench.gateway.environment = {**bench.gateway.environment, **wall.environment}
        bench.gateway.restart()
        yield bench


@pytest.fixture
def wall(tmp_path: Path) -> WallClock:
    return WallClock(tmp_path / "wall")


@pytest.mark.parametrize("jump", [FORTY_DAYS, -FORTY_DAYS])
def test_no_video_upload_task_or_leftover_goes_by_a_wrong_clock(
    tmp_path: Path, wall: WallClock, jump: int, clip: Path, speech: Path
) -> None:
    with video(tmp_path, wall) as bench:
        client, gateway, media = bench.client, bench.gateway, bench.media
        code = client.submit(client.upload("audio", speech), client.upload("video", clip))
        assert client.outcome(code)["status"] == 2
        kept = [media / speech.name, media / clip.name, media / "outputs" / f"{code}-r.mp4"]
        kept += [aged(media / "temp" / "left-r.mp4", 0), aged(media / "inputs" / "orphan" / "a.wav", 0).parent]
        old = aged(media / "old.wav", 2 * MINUTE)
        until(lambda: not old.exists())  # retention works

        def all_is_there() -> bool:
            time.sleep(ROUNDS)
            return all(path.exists() for path in kept) and client.query(code)["data"]["status"] == 2

        wall.ahead(jump)
        wait_for_hold(gateway, held=True)
        assert abs(clock_of(gateway)["seconds_ahead"] - jump) < 10
        until(lambda: "nothing is deleted until" in gateway.output())
        kept.append(aged(media / "written-by-the-wrong-clock.wav", -jump))
        assert all_is_there()
        gateway.kill()
        gateway.restart()
        aged(media / "inputs" / "orphan" / "a.wav", 0)  # a start deletes it, going by the record
        assert clock_of(gateway)["deletion_held"]
        assert all_is_there()
        wall.ahead(0)
        assert all_is_there()
        assert clock_of(gateway)["deletion_held"]

        assert "UTC" in trust(gateway)
        wait_for_hold(gateway, held=False)
        assert all_is_there()  # their ages count from the end of the hold
        wall.ahead(SMALL)
        until(lambda: not (media / speech.name).exists() and not (media / "outputs" / f"{code}-r.mp4").exists())


def test_a_clock_that_was_set_while_the_entry_was_down_deletes_nothing(
    tmp_path: Path, wall: WallClock, speech: Path
) -> None:
    with video(tmp_path, wall) as bench:
        bench.client.upload("audio", speech)
        bench.gateway.stop()
        wall.ahead(FORTY_DAYS)
        bench.gateway.restart()
        assert clock_of(bench.gateway)["deletion_held"]
        time.sleep(ROUNDS)
        assert (bench.media / speech.name).exists()
        # What somebody said of another clock does not count.
        wall.ahead(0)
        trust(bench.gateway)
        wall.ahead(FORTY_DAYS)
        time.sleep(3)
        assert clock_of(bench.gateway)["deletion_held"]


def test_data_of_version_1_0_are_kept_for_a_day_at_first(tmp_path: Path, wall: WallClock) -> None:
    """Nothing says whether the clock that stamped them was right."""
    with video(tmp_path, wall) as bench:
        bench.gateway.stop()
        (tmp_path / "video_data" / "steady-clock.json").unlink()
        old = aged(bench.media / "old.wav", 2 * MINUTE)
        bench.gateway.restart()
        assert clock_of(bench.gateway)["deletion_held"]
        time.sleep(ROUNDS)
        assert old.exists()


@pytest.mark.parametrize("jump", [FORTY_DAYS, -FORTY_DAYS])
def test_a_jump_neither_fails_nor_stalls_a_task(
    tmp_path: Path, wall: WallClock, jump: int, clip: Path, speech: Path
) -> None:
    with video(tmp_path, wall, engine_patience=30) as bench:
        bench.engine.kill()
        client = bench.client
        waiting = client.submit(client.upload("audio", speech), client.upload("video", clip))
        wall.ahead(jump)
        wait_for_hold(bench.gateway, held=True)
        trust(bench.gateway)  # from here on the entry goes by the other time
        wait_for_hold(bench.gateway, held=False)
        later = client.submit(*(f"/code/data/{path.name}" for path in (speech, clip)))
        time.sleep(ROUNDS)
        assert [client.query(code)["data"]["status"] for code in (waiting, later)] == [1, 1]
        bench.engine.start()
        assert [client.outcome(code)["status"] for code in (waiting, later)] == [2, 2]


@pytest.mark.parametrize("jump", [FORTY_DAYS, -FORTY_DAYS])
def test_no_speech_goes_by_a_wrong_clock(tmp_path: Path, wall: WallClock, jump: int) -> None:
    with voice_bench(tmp_path, files_max_age=MINUTE, retention_interval=0.2) as bench:
        gateway = bench.gateway
        voice = bench.ready_voice()
        made = [bench.speech(voice, "Good morning.")]

        def restart(**more: str) -> None:
            # What was just asked for is kept by the process that gave it.
            gateway.stop()
            gateway.environment = {**gateway.environment, **more}
            gateway.restart()

        def files() -> int:
            time.sleep(ROUNDS)
            return len(list((bench.data() / "files").iterdir()))

        restart(**wall.environment)
        assert files() == len(made)
        wall.ahead(jump)
        wait_for_hold(gateway, held=True)
        assert files() == len(made)
        bench.wait_until_ready()
        made.append(bench.speech(voice, "Good evening."))
        restart()
        assert files() == len(made)
        wall.ahead(0)
        assert files() == len(made)
        assert clock_of(gateway)["deletion_held"]
        trust(gateway)
        wait_for_hold(gateway, held=False)
        assert files() == len(made)
        wall.ahead(SMALL)
        until(lambda: not list((bench.data() / "files").iterdir()))
