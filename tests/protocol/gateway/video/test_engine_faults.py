"""Engines that misbehave: every acknowledged task ends with a good video or an honest failure."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from tests.support.video import VideoBench, require_good_video, start_again, video_bench

ONCE = ("forget", "dead-workers", "stall")


def submitted(bench: VideoBench, clip: Path, speech: Path) -> str:
    client = bench.client
    return client.submit(client.upload("audio", speech), client.upload("video", clip))


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "never so"
        time.sleep(0.05)


def engine_state(bench: VideoBench) -> str:
    return str(requests.get(bench.client.url + "/health", timeout=10).json()["engines"][0]["state"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "state"),
    [
        pytest.param("busy", "busy", marks=pytest.mark.slow),
        ("locked", "faulty"),
        pytest.param("http-500", "faulty", marks=pytest.mark.slow),
        ("html", "faulty"),
        pytest.param("hang-up", "starting", marks=pytest.mark.slow),
        pytest.param("silent", "faulty", marks=pytest.mark.slow),
    ],
)
def test_an_engine_that_never_takes_the_task(tmp_path: Path, clip: Path, speech: Path, fault: str, state: str) -> None:
    impatient = {"engine_patience": 2, "engine_busy_patience": 1, "engine_lost_timeout": 1}
    with video_bench(tmp_path, "--fault", fault, **impatient) as bench:
        code = submitted(bench, clip, speech)
        wait_for(lambda: engine_state(bench) == state)
        ready = requests.get(bench.client.url + "/ready", timeout=10)
        assert ready.status_code == 503
        assert int(ready.headers["Retry-After"]) > 0
        failed = bench.client.outcome(code)
        assert (failed["status"], failed["error"]) == (3, "engine_unavailable")


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["busy", "locked", "http-500", "html", "hang-up"])
def test_the_queue_outlives_a_bad_spell(tmp_path: Path, clip: Path, speech: Path, fault: str) -> None:
    with video_bench(tmp_path, "--fault", fault) as bench:
        code = submitted(bench, clip, speech)
        wait_for(lambda: engine_state(bench) in ("busy", "faulty", "starting"))
        assert bench.client.query(code)["data"]["status"] == 1
        bench.engine.kill()
        start_again(bench.engine)
        assert bench.client.outcome(code)["status"] == 2
        assert bench.renders(code) == 1


@pytest.mark.parametrize("fault", ["broken-result", *(pytest.param(fault, marks=pytest.mark.slow) for fault in ONCE)])
def test_what_goes_wrong_once_is_tried_again(tmp_path: Path, clip: Path, speech: Path, fault: str) -> None:
    settings = {"stall_timeout": 1.5, "stall_seconds_per_second": 0}
    with video_bench(tmp_path, "--fault", fault, "--fault-tasks", "1", **settings) as bench:
        code = submitted(bench, clip, speech)
        if fault in ("dead-workers", "stall"):
            # Such an engine is not trusted again before it has been restarted.
            wait_for(lambda: engine_state(bench) == "unfit")
            bench.engine.kill()
            start_again(bench.engine)
        done = bench.client.outcome(code)
        assert done["status"] == 2
        assert bench.renders(code) == 2
        bench.client.download(f"/{code}-r.mp4", tmp_path / "out.mp4")
        require_good_video(tmp_path / "out.mp4", seconds=1.4)


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "error"), [("forget", "engine_lost"), ("broken-result", "result_invalid")])
def test_what_goes_wrong_twice_fails_with_its_reason(
    tmp_path: Path, clip: Path, speech: Path, fault: str, error: str
) -> None:
    with video_bench(tmp_path, "--fault", fault) as bench:
        code = submitted(bench, clip, speech)
        failed = bench.client.outcome(code)
        assert (failed["status"], failed["error"], failed["result"]) == (3, error, "")
        assert bench.renders(code) == 2
        assert bench.client.download(f"/{code}-r.mp4", tmp_path / "x").status_code == 404
        assert list((bench.media / "inputs").iterdir()) == []
        assert not list((bench.media / "temp").glob("*-r.mp4"))


@pytest.mark.slow
def test_an_engine_that_dies_in_the_middle(tmp_path: Path, clip: Path, speech: Path) -> None:
    with video_bench(tmp_path, "--fault", "die") as bench:
        code = submitted(bench, clip, speech)
        assert bench.engine.process is not None
        bench.engine.process.wait(60)
        assert bench.client.query(code)["data"]["status"] == 1
        start_again(bench.engine)
        assert bench.client.outcome(code)["status"] == 2
        assert bench.renders(code) == 2


@pytest.mark.slow
def test_an_engine_that_stays_unreachable_loses_its_task(tmp_path: Path, clip: Path, speech: Path) -> None:
    with video_bench(tmp_path, "--fault", "die", engine_lost_timeout=1, engine_patience=2) as bench:
        failed = bench.client.outcome(submitted(bench, clip, speech))
        assert (failed["status"], failed["error"]) == (3, "engine_unavailable")


@pytest.mark.slow
def test_a_video_finished_while_nobody_polled_is_found(tmp_path: Path, clip: Path, speech: Path) -> None:
    with video_bench(tmp_path, "--pace", "1") as bench:
        code = submitted(bench, clip, speech)
        wait_for(lambda: bench.renders(code) == 1)
        bench.gateway.kill()
        wait_for(lambda: "耗时" in bench.engine.output())
        # The one answer that the engine gives is gone.
        told = requests.get(bench.engine.url + "/easy/query", params={"code": code}, timeout=10).json()
        assert told["data"]["status"] == 2
        bench.gateway.restart()
        assert bench.client.outcome(code)["status"] == 2
        assert bench.renders(code) == 1


@pytest.mark.slow
def test_foreign_tasks_are_waited_for_and_left_alone(tmp_path: Path, clip: Path, speech: Path) -> None:
    with video_bench(tmp_path, "--pace", "1.5") as bench:
        paths = {name: f"/code/data/{path.name}" for name, path in (("audio_url", speech), ("video_url", clip))}
        bench.client.upload("audio", speech)
        bench.client.upload("video", clip)
        foreign = requests.post(bench.engine.url + "/easy/submit", json={**paths, "code": "foreign"}, timeout=10)
        assert foreign.json()["code"] == 10000
        code = submitted(bench, clip, speech)
        assert bench.client.outcome(code)["status"] == 2
        told = requests.get(bench.engine.url + "/easy/query", params={"code": "foreign"}, timeout=10).json()
        assert told["data"]["status"] == 2
        assert bench.client.query("foreign")["code"] == 10004
        assert bench.client.download("/foreign-r.mp4", tmp_path / "x").status_code == 200


@pytest.mark.slow
def test_an_engine_gets_time_to_warm_up(tmp_path: Path, clip: Path, speech: Path) -> None:
    with video_bench(tmp_path, "--warm-up", "1.5", start_engine=False, engine_warm_up=2) as bench:
        code = submitted(bench, clip, speech)
        wait_for(lambda: engine_state(bench) == "starting")
        bench.engine.start()
        wait_for(lambda: engine_state(bench) == "warming")
        assert bench.client.outcome(code)["status"] == 2
        assert bench.renders(code) == 1


@pytest.mark.slow
def test_while_the_engine_starts_calls_are_asked_to_try_again(tmp_path: Path) -> None:
    with video_bench(tmp_path, start_engine=False) as bench:
        answer = requests.post(bench.client.url + "/easy/other", json={}, timeout=10)
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert bench.client.query("health_check")["success"] is True


@pytest.mark.slow
def test_cancelling(tmp_path: Path, clip: Path, speech: Path) -> None:
    with video_bench(tmp_path, "--pace", "1") as bench:
        client = bench.client
        running, waiting, kept = (submitted(bench, clip, speech) for _ in range(3))
        wait_for(lambda: bench.renders(running) == 1)
        for code in (running, waiting):
            answer = requests.delete(f"{client.url}/easy/task/{code}", timeout=10)
            assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
            assert client.query(code)["data"]["status"] == 3
        assert client.outcome(kept)["status"] == 2
        assert bench.renders(waiting) == 0
        assert client.download(f"/{running}-r.mp4", tmp_path / "x").status_code == 404
        again = requests.delete(f"{client.url}/easy/task/{kept}", timeout=10)
        assert again.json()["state"] == "done"
        assert requests.delete(f"{client.url}/easy/task/none", timeout=10).status_code == 404
        wait_for(lambda: list((bench.media / "inputs").iterdir()) == [])


@pytest.mark.slow
def test_a_cancelled_task_that_outlives_the_gateway_fails_nobody(tmp_path: Path, clip: Path, speech: Path) -> None:
    with video_bench(tmp_path, "--pace", "5", engine_patience=1, engine_busy_patience=1) as bench:
        running = submitted(bench, clip, speech)
        wait_for(lambda: bench.renders(running) == 1)
        requests.delete(f"{bench.client.url}/easy/task/{running}", timeout=10)
        bench.gateway.kill()
        bench.gateway.restart()
        assert bench.client.outcome(submitted(bench, clip, speech))["status"] == 2
        wait_for(lambda: list((bench.media / "inputs").iterdir()) == [])


@pytest.mark.slow
def test_a_full_queue_asks_to_try_again(tmp_path: Path, clip: Path, speech: Path) -> None:
    with video_bench(tmp_path, start_engine=False, queue_size=2) as bench:
        client = bench.client
        audio, video = client.upload("audio", speech), client.upload("video", clip)
        codes = [client.submit(audio, video) for _ in range(2)]
        request = {"audio_url": audio, "video_url": video, "code": "one-too-many"}
        refused = requests.post(client.url + "/easy/submit", json=request, timeout=10)
        assert (refused.status_code, refused.json()["code"]) == (503, "queue_full")
        assert int(refused.headers["Retry-After"]) > 0
        assert client.query("one-too-many")["code"] == 10004
        bench.engine.start()
        assert [client.outcome(code)["status"] for code in codes] == [2, 2]
        client.submit(audio, video, "one-too-many")
        assert client.outcome("one-too-many")["status"] == 2


@pytest.mark.slow
def test_further_fields_reach_the_engine(tmp_path: Path, clip: Path, speech: Path) -> None:
    with video_bench(tmp_path) as bench:
        client = bench.client
        code = client.submit(client.upload("audio", speech), client.upload("video", clip), digital_auth=0, novel="x")
        assert client.outcome(code)["status"] == 2
        told = json.loads((bench.media / "result" / "param.json").read_text())
        assert (told["code"], told["chaofen"], told["novel"]) == (code, 0, "x")
        assert told["audio_url"] == f"/code/data/inputs/{code}/audio.wav"


@pytest.mark.slow
def test_an_expired_video_is_never_called_finished(tmp_path: Path, clip: Path, speech: Path) -> None:
    with video_bench(tmp_path) as bench:
        code = submitted(bench, clip, speech)
        assert bench.client.outcome(code)["status"] == 2
        (bench.media / "outputs" / f"{code}-r.mp4").unlink()
        data = bench.client.query(code)["data"]
        assert (data["status"], data["result"], data["error"]) == (3, "", "expired")
        shown = requests.get(f"{bench.client.url}/easy/task/{code}", timeout=10).json()
        listed = requests.get(f"{bench.client.url}/easy/tasks", timeout=10).json()["data"][0]
        assert shown == listed
        assert (shown["state"], shown["result"], shown["error"]) == ("failed", "", "expired")


@pytest.mark.slow
def test_what_has_expired_goes_and_what_is_in_use_stays(tmp_path: Path, clip: Path, speech: Path) -> None:
    small = {"results_max_bytes": 2**20, "uploads_max_bytes": 2**20, "retention_interval": 0.2}
    with video_bench(tmp_path, start_engine=False, **small) as bench:
        client = bench.client
        code = submitted(bench, clip, speech)
        filler = tmp_path / "filler.bin"
        filler.write_bytes(b"x" * (2**20 - 1000))
        client.upload("video", filler, "filler.mp4")
        wait_for(lambda: not (bench.media / clip.name).exists())
        assert (bench.media / "filler.mp4").exists()
        bench.engine.start()
        assert client.outcome(code)["status"] == 2, "the task had its own hold on the upload"
