"""Kill -9 at any point: every acknowledged task ends with a good video or an honest failure, and none twice."""

from __future__ import annotations

import random
import signal
import threading
import time
from pathlib import Path

import pytest
import requests

from gateway.services.video.rendering import MAX_CLAIMS
from tests.support.servers import Server
from tests.support.video import Client, VideoBench, require_good_video, video_bench

# Crashes come by the wall clock: on a slow machine less is done between two, and without a bound nothing ever ends.
PATIENCE_SECONDS = 500.0
MOST_CRASHES = 40
PATIENT = {"engine_lost_timeout": 60, "engine_patience": 120}


class Crashes(threading.Thread):
    """Kills servers at random moments and starts them again, a bounded number of times, until it is told to stop."""

    def __init__(self, servers: list[Server], seed: int, pause: tuple[float, float]) -> None:
        super().__init__()
        self._servers = servers
        self._random = random.Random(seed)
        self._pause = pause
        self._over = threading.Event()
        self.count = 0
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            while self.count < MOST_CRASHES and not self._over.wait(self._random.uniform(*self._pause)):
                victims = self._random.choice([self._servers[:1], self._servers[1:], self._servers])
                for server in victims:
                    server.kill()
                for server in victims:
                    server.restart()
                self.count += 1
        except BaseException as error:  # noqa: BLE001 - told to the test
            self.error = error

    def stop(self) -> None:
        self._over.set()
        self.join()
        if self.error is not None:
            raise self.error


class StubbornClient(Client):
    """Repeats what a crash broke off, as the desktop client does."""

    def stubbornly(self, action: str, *arguments: object) -> object:
        for _ in range(200):
            try:
                return getattr(self, action)(*arguments)
            except requests.RequestException:
                time.sleep(0.1)
        raise AssertionError("the entry did not come back")


def run_through_crashes(bench: VideoBench, clip: Path, speech: Path, *, tasks: int, seed: int) -> int:
    client = StubbornClient(bench.client.url)
    audio, video = client.upload("audio", speech), client.upload("video", clip)
    crashes = Crashes([bench.gateway, bench.engine], seed, (0.3, 2.5))
    crashes.start()
    try:
        codes = []
        for number in range(tasks):
            codes.append(f"task-{seed}-{number}")
            client.stubbornly("submit", audio, video, codes[-1])
        waiting, deadline = set(codes), time.monotonic() + PATIENCE_SECONDS
        while waiting and time.monotonic() < deadline:
            for code in sorted(waiting):
                body = client.stubbornly("query", code)
                assert isinstance(body, dict)
                assert body["code"] == 10000, f"{code} was acknowledged and is gone"
                if body["data"]["status"] != 1:
                    waiting.discard(code)
            time.sleep(0.2)
    finally:
        crashes.stop()
    assert not waiting, f"never ended: {waiting}\n{bench.gateway.output()[-5000:]}"
    return crashes.count


def require_honest_ends(bench: VideoBench, tmp_path: Path, codes: list[str], *, crashes: int) -> None:
    """Every task is done with a good video, or failed for having been interrupted as often as that is borne.

    Nothing but a crash makes the engine render a task again, and a crash interrupts one task at most.
    """
    renders, done = 0, 0
    for code in codes:
        data = bench.client.query(code)["data"]
        path = tmp_path / "out.mp4"
        answer = bench.client.download(f"/{code}-r.mp4", path)
        if data["status"] == 2:
            done += 1
            require_good_video(path, seconds=1.4)
        else:
            assert (data["status"], data["error"], data["result"], answer.status_code) == (3, "engine_lost", "", 404)
            assert data["msg"]
        renders += bench.renders(code)
    assert renders - done <= crashes
    assert (len(codes) - done) * MAX_CLAIMS <= crashes
    ended = [line for line in bench.gateway.output().splitlines() if '"event": "task done"' in line]
    for code in codes:
        assert sum(f'"{code}"' in line for line in ended) <= 1, "ended twice"


@pytest.mark.slow
def test_a_few_tasks_live_through_crashes_of_both(tmp_path: Path, clip: Path, speech: Path) -> None:
    with video_bench(tmp_path, **PATIENT) as bench:
        crashes = run_through_crashes(bench, clip, speech, tasks=3, seed=1)
        require_honest_ends(bench, tmp_path, [f"task-1-{number}" for number in range(3)], crashes=crashes)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [11, 12])
def test_twenty_tasks_live_through_crashes_of_both(tmp_path: Path, clip: Path, speech: Path, seed: int) -> None:
    with video_bench(tmp_path, "--pace", "0.4", **PATIENT) as bench:
        crashes = run_through_crashes(bench, clip, speech, tasks=20, seed=seed)
        assert crashes >= 3
        codes = [f"task-{seed}-{number}" for number in range(20)]
        require_honest_ends(bench, tmp_path, codes, crashes=crashes)
        # The record comes first, and the inputs go right after it.
        deadline = time.monotonic() + 60
        while left := list((bench.media / "inputs").iterdir()):
            assert time.monotonic() < deadline, left
            time.sleep(0.1)


@pytest.mark.slow
def test_the_queue_survives_the_loss_of_the_host(tmp_path: Path, clip: Path, speech: Path) -> None:
    with video_bench(tmp_path, "--pace", "0.7") as bench:
        client = bench.client
        audio, video = client.upload("audio", speech), client.upload("video", clip)
        codes = [client.submit(audio, video) for _ in range(3)]
        assert client.outcome(codes[0])["status"] == 2
        bench.gateway.kill()
        bench.engine.kill()
        bench.engine.restart()
        bench.gateway.restart()
        assert client.query(codes[0])["data"]["status"] == 2
        assert [client.outcome(code)["status"] for code in codes] == [2, 2, 2]
        assert bench.renders(codes[0]) == 1


@pytest.mark.slow
def test_a_second_entry_on_the_same_data_does_not_start(tmp_path: Path) -> None:
    with video_bench(tmp_path, start_engine=False) as first:
        second = video_bench(tmp_path, start_engine=False, data_dir=tmp_path / "video_data")
        with pytest.raises(AssertionError, match="another video entry is running"), second:
            pass
        assert requests.get(first.client.url + "/health", timeout=10).status_code == 200


@pytest.mark.slow
def test_stopping_waits_for_nothing_and_loses_nothing(tmp_path: Path, clip: Path, speech: Path) -> None:
    with video_bench(tmp_path, "--pace", "1") as bench:
        client = bench.client
        code = client.submit(client.upload("audio", speech), client.upload("video", clip))
        assert bench.gateway.stop() in (0, -signal.SIGTERM)
        assert "Traceback" not in bench.gateway.output()
        bench.gateway.restart()
        assert client.outcome(code)["status"] == 2
        assert bench.renders(code) <= 1
