"""Each key's tasks and media are its own; administrators see all; without keys nothing is anybody's."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.video import Client, VideoBench, make_clip, video_bench

KEYS = "anna-secret  # Anna\nben-secret  # Ben's laptop\nnameless-secret\n"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "api_keys"
    path.write_text(KEYS, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, keys: Path) -> Iterator[VideoBench]:
    with video_bench(tmp_path_factory.mktemp("shared"), api_keys_file=keys, admin_api_key="boss") as made:
        yield made


def holder(bench: VideoBench, key: str, **headers: str) -> Client:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Client(bench.client.url, {"X-API-Key": key, **named})


@pytest.fixture(scope="module")
def anna(shared: VideoBench) -> Client:
    return holder(shared, "anna-secret")


@pytest.fixture(scope="module")
def inputs(anna: Client, clip: Path, speech: Path) -> tuple[str, str]:
    return anna.upload("audio", speech, "anna.wav"), anna.upload("video", clip, "anna.mp4")


@pytest.fixture(scope="module")
def annas(anna: Client, inputs: tuple[str, str]) -> str:
    """A finished task of Anna's."""
    code = anna.submit(*inputs)
    assert anna.outcome(code)["status"] == 2
    return code


def listed(client: Client) -> list[str]:
    page = requests.get(client.url + "/easy/tasks", headers=client.headers, timeout=10).json()
    return [task["code"] for task in page["data"]]


def answer(client: Client, method: str, path: str, **more: Any) -> tuple[int, str]:
    """Status, and the error's code."""
    found = requests.request(method, client.url + path, headers=client.headers, timeout=30, **more)
    body = found.json() if "json" in found.headers["Content-Type"] else {}
    return found.status_code, str(body.get("code"))


def submitted(client: Client, audio: str, video: str, code: str) -> tuple[int, str]:
    return answer(client, "POST", "/easy/submit", json={"audio_url": audio, "video_url": video, "code": code})


OTHERS = [("ben-secret", {}), ("nameless-secret", {}), ("anna-secret", {"X_Device_ID": "another device"})]


@pytest.mark.parametrize(("key", "device"), OTHERS)
def test_others_find_nothing_of_hers(
    shared: VideoBench, annas: str, inputs: tuple[str, str], key: str, device: dict[str, str], tmp_path: Path
) -> None:
    other = holder(shared, key, **device)
    assert other.query(annas) == other.query("nobody's")
    assert annas not in listed(other)
    for method in ("GET", "DELETE"):
        assert answer(other, method, f"/easy/task/{annas}") == (404, "task_not_found")
    for name in (f"{annas}-r.mp4", "anna.wav", "anna.mp4"):
        for spelling in ("/download?path=/{}", "/download?path=/code/data/temp/{}"):
            assert answer(other, "GET", spelling.format(name)) == (404, "file_not_found")
    assert answer(other, "GET", f"/{annas}-r.mp4") == (404, "file_not_found")
    assert submitted(other, *inputs, "with-her-files") == (400, "input_missing")
    assert answer(other, "GET", "/files") == (401, "unauthorized")


@pytest.mark.parametrize(("key", "device"), OTHERS)
def test_others_take_neither_her_code_nor_her_files_names(
    shared: VideoBench, anna: Client, annas: str, key: str, device: dict[str, str], speech: Path, tmp_path: Path
) -> None:
    other = holder(shared, key, **device)
    own = make_clip(tmp_path / "own.mp4", seconds=0.5)
    path = other.upload("video", own, "anna.mp4")
    assert path != "/code/data/anna.mp4"
    assert other.download(path, tmp_path / "again.mp4").content == own.read_bytes()
    assert anna.download("/code/data/anna.mp4", tmp_path / "hers.mp4").content != own.read_bytes()
    assert submitted(other, other.upload("audio", speech, "own.wav"), path, annas) == (409, "code_in_use")
    assert anna.query(annas)["data"]["status"] == 2


def test_she_and_the_administrator_see_and_use_it(
    shared: VideoBench, anna: Client, annas: str, inputs: tuple[str, str], tmp_path: Path
) -> None:
    boss = holder(shared, "boss")
    for client in (anna, boss):
        assert client.query(annas)["data"]["status"] == 2
        assert annas in listed(client)
        assert client.download(f"/{annas}-r.mp4", tmp_path / "out.mp4").status_code == 200
        assert answer(client, "DELETE", f"/easy/task/{annas}")[0] == 200
    assert submitted(anna, *inputs, annas)[0] == 200  # the same request again
    files = requests.get(boss.url + "/files", headers=boss.headers, timeout=10).json()["data"]
    assert {"anna.wav", "anna.mp4", f"{annas}-r.mp4"} <= {file["name"] for file in files}


def test_a_device_keeps_to_itself_what_it_made(shared: VideoBench, speech: Path) -> None:
    device = holder(shared, "ben-secret", X_Device_ID="设备".encode().decode("latin-1"))
    path = device.upload("audio", speech, "device.wav")
    assert answer(device, "GET", f"/download?path={path}")[0] == 200
    assert answer(holder(shared, "ben-secret"), "GET", f"/download?path={path}") == (404, "file_not_found")
    wrong = holder(shared, "ben-secret", X_Device_ID="x" * 300)
    assert answer(wrong, "GET", f"/download?path={path}") == (400, "invalid_device_id")


def test_work_is_counted_under_the_keys_names(shared: VideoBench, anna: Client, annas: str) -> None:
    metrics = requests.get(anna.url + "/metrics", headers=anna.headers, timeout=10).text
    seconds = [line for line in metrics.splitlines() if line.startswith("twinport_key_video_seconds_total")]
    assert [line.split(" ")[0] for line in seconds] == ['twinport_key_video_seconds_total{key="Anna"}']
    assert float(seconds[0].split(" ")[-1]) >= 1
    assert 'twinport_key_requests_total{key="Ben\'s laptop"}' in metrics
    assert "secret" not in metrics
    assert annas


def test_owners_outlive_a_restart_and_keys_that_come_later_open_nothing(
    tmp_path: Path, keys: Path, clip: Path, speech: Path
) -> None:
    """What was made without a key is the administrators'; so is all that version 1.0 left."""
    with video_bench(tmp_path) as bench:
        free = bench.client
        code = free.submit(free.upload("audio", speech), free.upload("video", clip))
        assert free.outcome(code)["status"] == 2
        without_keys = bench.gateway.environment

        def restarted(**variables: str) -> None:
            bench.gateway.stop()
            bench.gateway.environment = {**without_keys, **variables}
            bench.gateway.restart()

        restarted(TWINPORT_API_KEYS_FILE=str(keys), TWINPORT_ADMIN_API_KEY="boss")
        anna, boss = holder(bench, "anna-secret"), holder(bench, "boss")
        assert anna.query(code)["code"] == 10004
        assert listed(anna) == []
        assert listed(boss) == [code]
        mine = anna.submit(anna.upload("audio", speech, "a.wav"), anna.upload("video", clip, "a.mp4"))
        assert boss.download(f"/{code}-r.mp4", tmp_path / "x").status_code == 200

        restarted(TWINPORT_API_KEYS_FILE=str(keys))  # of several keys none is an administrator's
        assert listed(holder(bench, "anna-secret")) == [mine]
        assert listed(holder(bench, "ben-secret")) == []

        restarted(TWINPORT_API_KEY="only")  # the holder of the only key is the administrator
        assert listed(holder(bench, "only")) == [mine, code]

        restarted()
        assert listed(free) == [mine, code]
        assert free.download("/a.wav", tmp_path / "x").status_code == 200


def test_a_key_has_its_share_of_the_day(tmp_path: Path, keys: Path, clip: Path, speech: Path) -> None:
    with video_bench(tmp_path, api_keys_file=keys, key_video_seconds_per_day=0.5, key_requests_per_day=20) as bench:
        anna, ben = holder(bench, "anna-secret"), holder(bench, "ben-secret")
        inputs = anna.upload("audio", speech), anna.upload("video", clip)
        code = anna.submit(*inputs)
        assert anna.outcome(code)["status"] == 2
        for _ in range(2):
            refused = requests.post(
                anna.url + "/easy/submit",
                json={"audio_url": inputs[0], "video_url": inputs[1], "code": "more"},
                headers={**anna.headers, "Accept-Language": "en"},
                timeout=10,
            )
            assert (refused.status_code, refused.json()["code"]) == (429, "daily_limit")
            assert 0 < int(refused.headers["Retry-After"]) <= 86400
            assert submitted(anna, *inputs, code)[0] == 200  # what was accepted stays so
            bench.gateway.stop()
            bench.gateway.restart()
        own = ben.upload("audio", speech, "b.wav"), ben.upload("video", clip, "b.mp4")
        assert ben.outcome(ben.submit(*own))["status"] == 2
        made = [answer(ben, "POST", "/upload", files={"audio": ("c.wav", b"x")})[0] for _ in range(20)]
        assert made == [200] * 17 + [429] * 3
        assert ben.query("any")["code"] == 10004  # asking costs nothing


def test_a_crash_forgets_no_more_than_the_last_seconds_of_work(tmp_path: Path, keys: Path) -> None:
    with video_bench(tmp_path, start_engine=False, api_keys_file=keys, key_requests_per_day=3) as bench:
        anna = holder(bench, "anna-secret")
        for _ in range(3):
            answer(anna, "POST", "/upload", files={"audio": ("c.wav", b"x")})
        time.sleep(7)
        bench.gateway.kill()
        bench.gateway.restart()
        assert answer(anna, "POST", "/upload", files={"audio": ("c.wav", b"x")}) == (429, "daily_limit")
