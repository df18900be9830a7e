"""The desktop client's way through the entry, and what everyone else gets."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.video import (
    Client,
    VideoBench,
    duix,
    facts,
    ffmpeg,
    make_clip,
    make_speech,
    require_good_video,
    video_bench,
)


@pytest.fixture(scope="module")
def finished(bench: VideoBench, clip: Path, speech: Path) -> str:
    """The code of a finished task."""
    client = bench.client
    code = client.submit(client.upload("audio", speech), client.upload("video", clip))
    assert client.outcome(code)["status"] == 2
    return code


def test_from_upload_to_a_video_of_the_audio_s_length(bench: VideoBench, finished: str, tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    assert bench.client.download(f"/{finished}-r.mp4", path).status_code == 200
    require_good_video(path, seconds=1.4)
    assert bench.renders(finished) == 1


def test_the_answer_to_a_query_stays(bench: VideoBench, finished: str) -> None:
    answers = [bench.client.query(finished) for _ in range(5)]
    assert all(answer == answers[0] for answer in answers)


@pytest.mark.parametrize("spelling", ["/{}", "/code/data/temp/{}", "code/data/temp/{}", "temp/{}", "/temp/{}", "{}"])
def test_every_spelling_hits_at_once(bench: VideoBench, finished: str, tmp_path: Path, spelling: str) -> None:
    answer = bench.client.download(spelling.format(f"{finished}-r.mp4"), tmp_path / "x")
    assert answer.status_code == 200
    assert answer.content[4:8] == b"ftyp"


def test_the_direct_path_and_head(bench: VideoBench, finished: str) -> None:
    url = f"{bench.client.url}/{finished}-r.mp4"
    whole, head = requests.get(url, timeout=10), requests.head(url, timeout=10)
    assert whole.status_code == head.status_code == 200
    assert head.headers["Content-Length"] == str(len(whole.content))
    assert head.content == b""
    assert head.headers["ETag"] == whole.headers["ETag"]


def test_a_broken_download_is_resumed(bench: VideoBench, finished: str, tmp_path: Path) -> None:
    path = f"/{finished}-r.mp4"
    whole = bench.client.download(path, tmp_path / "whole")
    size = len(whole.content)
    rest = bench.client.download(path, tmp_path / "rest", Range="bytes=1000-")
    assert rest.status_code == 206
    assert rest.headers["Content-Range"] == f"bytes 1000-{size - 1}/{size}"
    assert rest.content == whole.content[1000:]
    last = bench.client.download(path, tmp_path / "last", Range="bytes=-10")
    assert last.content == whole.content[-10:]
    changed = bench.client.download(path, tmp_path / "x", **{"Range": "bytes=1000-", "If-Range": '"other"'})
    assert (changed.status_code, changed.content) == (200, whole.content)
    past = bench.client.download(path, tmp_path / "x", Range=f"bytes={size}-")
    assert past.status_code == 416
    assert past.headers["Content-Range"] == f"bytes */{size}"
    assert past.json()["code"] == "range_not_satisfiable"


def test_an_unchanged_file_is_not_sent_again(bench: VideoBench, finished: str, tmp_path: Path) -> None:
    path = f"/{finished}-r.mp4"
    first = bench.client.download(path, tmp_path / "x")
    for header in ({"If-None-Match": first.headers["ETag"]}, {"If-Modified-Since": first.headers["Last-Modified"]}):
        again = bench.client.download(path, tmp_path / "x", **header)
        assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path",
    ["/../../etc/passwd", "/etc/passwd", "/code/data/temp/../../../etc/passwd", "..", "/x/..%2f", "/inputs/x", "nope"],
)
def test_nothing_else_can_be_fetched(bench: VideoBench, tmp_path: Path, path: str) -> None:
    answer = bench.client.download(path, tmp_path / "x")
    assert answer.status_code == 404
    assert set(answer.json()) == {"message", "code"}


def test_the_self_tests_that_users_run(bench: VideoBench) -> None:
    for code in ("test", "health_check"):
        assert bench.client.query(code)["success"] is True
    assert bench.client.upload("audio", Path("/etc/hosts"), "audio_test.wav") == "/code/data/audio_test.wav"


def test_an_unknown_code_is_answered_as_by_the_engine(bench: VideoBench) -> None:
    expected = {"code": 10004, "data": {}, "msg": "任务不存在", "success": True}
    assert bench.client.query("nobody") == expected


def test_three_submits_within_a_second_all_become_videos(bench: VideoBench, clip: Path, speech: Path) -> None:
    client = bench.client
    audio, video = client.upload("audio", speech), client.upload("video", clip)
    with ThreadPoolExecutor(3) as pool:
        codes = list(pool.map(lambda _: client.submit(audio, video), range(3)))
    places = [str(client.query(code)["data"]["msg"]) for code in codes]
    assert any("第" in place for place in places), "those that wait are told their place"
    assert [client.outcome(code)["status"] for code in codes] == [2, 2, 2]
    assert [bench.renders(code) for code in codes] == [1, 1, 1]


def test_a_repeated_submit_is_the_same_task(bench: VideoBench, clip: Path, speech: Path) -> None:
    client = bench.client
    audio, video = client.upload("audio", speech), client.upload("video", clip)
    code = str(uuid.uuid4())
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: client.submit(audio, video, code), range(4)))
    assert client.outcome(code)["status"] == 2
    client.submit(audio, video, code)
    assert client.query(code)["data"]["status"] == 2
    assert bench.renders(code) == 1


@pytest.mark.slow
def test_an_upload_replaced_while_its_task_waits_changes_nothing(bench: VideoBench, clip: Path, tmp_path: Path) -> None:
    client = bench.client
    long = make_speech(tmp_path / "audio_long.wav", seconds=3)
    short = make_speech(tmp_path / "audio_short.wav", seconds=0.5)
    audio, video = client.upload("audio", long, "audio_swap.wav"), client.upload("video", clip)
    ahead, code = client.submit(audio, video), client.submit(audio, video)
    assert client.upload("audio", short, "audio_swap.wav") == audio
    assert client.upload("video", Path("/etc/hosts"), clip.name) == video
    assert abs(client.outcome(code)["video_duration"] - 3000) < 500
    assert client.outcome(ahead)["status"] == 2
    assert (bench.media / "audio_swap.wav").read_bytes() == short.read_bytes()


def test_a_file_that_is_not_media_fails_its_task_without_the_engine(
    bench: VideoBench, clip: Path, speech: Path
) -> None:
    client = bench.client
    hosts = client.upload("audio", Path("/etc/hosts"), "audio_text.wav")
    audio, video = client.upload("audio", speech), client.upload("video", clip)
    for codes, error in (((hosts, video), "not_audio"), ((audio, hosts), "not_video"), ((audio, audio), "no_picture")):
        code = client.submit(*codes)
        failed = client.outcome(code)
        assert (failed["status"], failed["error"], failed["result"]) == (3, error, "")
        assert bench.renders(code) == 0
        english = client.query(code, **{"Accept-Language": "en"})["data"]["msg"]
        assert english.isascii()
        assert english != failed["msg"]


def test_swapped_fields_are_noticed(bench: VideoBench, clip: Path, speech: Path) -> None:
    client = bench.client
    code = client.submit(client.upload("audio", clip), client.upload("video", speech))
    assert client.outcome(code)["status"] == 2


def test_inputs_are_made_right_and_uploads_stay_as_they_were(bench: VideoBench, tmp_path: Path) -> None:
    client = bench.client
    odd = make_clip(tmp_path / "odd.mkv", options=("-vf", "crop=159:119", "-c:v", "ffv1"))
    song = make_speech(tmp_path / "song.m4a", rate=44100)
    audio, video = client.upload("audio", song), client.upload("video", odd)
    code = client.submit(audio, video)
    done = client.outcome(code)
    assert (done["width"], done["height"]) == (158, 118)
    assert (bench.media / "odd.mkv").read_bytes() == odd.read_bytes()
    assert (bench.media / "song.m4a").read_bytes() == song.read_bytes()


@pytest.mark.parametrize("code", ["a;touch $(id)", "任务 1", "x" * 150, ".."])
def test_odd_codes_work(bench: VideoBench, clip: Path, speech: Path, tmp_path: Path, code: str) -> None:
    client = bench.client
    client.submit(client.upload("audio", speech), client.upload("video", clip), code)
    deadline = time.monotonic() + 60
    while (data := client.query(code)["data"])["status"] == 1 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert data["status"] == 2
    assert client.download(data["result"], tmp_path / "x").status_code == 200
    assert client.download(f"/{code}-r.mp4", tmp_path / "x").status_code == 200
    assert code not in bench.engine.output()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_json"),
        (b"[]", "invalid_request"),
        (b"{", "invalid_json"),
        (b'{"video_url":"/code/data/v.mp4","code":"x"}', "missing_field"),
        (b'{"audio_url":"a","video_url":"b"}', "missing_field"),
        (b'{"audio_url":"/code/data/none","video_url":"/code/data/none","code":"x"}', "input_missing"),
        (b'{"audio_url":"/etc/hosts","video_url":"/etc/hosts","code":"x"}', "input_missing"),
        (b'{"audio_url":"http://127.0.0.1/a","video_url":"b","code":"x"}', "input_missing"),
        (b'{"audio_url":{"a":1},"video_url":[],"code":"x"}', "invalid_request"),
        (b'{"audio_url":"a","video_url":"b","code":"a\\u0000b"}', "invalid_code"),
        (b"[" * 100_000, "invalid_json"),
    ],
)
def test_submits_that_can_not_work_are_refused_with_a_sentence(bench: VideoBench, body: bytes, code: str) -> None:
    answer = requests.post(bench.client.url + "/easy/submit", data=body, timeout=10)
    assert answer.status_code == 400
    assert answer.json()["code"] == code
    assert answer.json()["message"]


def test_tasks_are_listed_and_shown(bench: VideoBench, finished: str, clip: Path) -> None:
    url = bench.client.url
    video = bench.client.upload("video", clip)
    for _ in range(2):
        bench.client.submit(bench.client.upload("audio", Path("/etc/hosts"), "audio_text.wav"), video)
    page = requests.get(url + "/easy/tasks", params={"limit": 2}, timeout=10).json()
    rest = requests.get(url + "/easy/tasks", params={"limit": 500, "before": page["next"]}, timeout=10).json()
    codes = [task["code"] for task in [*page["data"], *rest["data"]]]
    assert finished in codes
    assert len(codes) == len(set(codes))
    shown = requests.get(f"{url}/easy/task/{finished}", timeout=10).json()
    assert (shown["state"], shown["attempt"], shown["result"]) == ("done", 1, f"/{finished}-r.mp4")
    assert requests.get(url + "/easy/task/none", timeout=10).status_code == 404
    assert requests.get(url + "/easy/tasks", params={"limit": 0}, timeout=10).status_code == 400


def test_unknown_easy_routes_reach_the_engine_unchanged(bench: VideoBench) -> None:
    through = requests.post(bench.client.url + "/easy/other", json={"x": 1}, timeout=10)
    straight = requests.post(bench.engine.url + "/easy/other", json={"x": 1}, timeout=10)
    assert (through.status_code, through.content) == (straight.status_code, straight.content)
    for trick in ("/easy/%2e%2e/easy/query?code=x", "/easy//query?code=x"):
        assert requests.get(bench.client.url + trick, timeout=10).json()["code"] == "not_found"


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/easy/query"), ("GET", "/easy/submit"), ("POST", "/easy/task/x")]
)
def test_the_entry_s_own_routes_are_never_passed_on(bench: VideoBench, method: str, path: str) -> None:
    answer = requests.request(method, bench.client.url + path, timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["Allow"]


@pytest.mark.slow
def test_nothing_in_the_document_makes_the_entry_break(bench: VideoBench) -> None:
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("schemathesis")), "run", bench.client.url + "/openapi.json"),
            *("--checks", checks, "--phases", "coverage,fuzzing", "--max-examples", "30", "--exclude-path", "/metrics"),
            *("--seed", "1", "--no-color"),
        ],
        cwd=bench.folder,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:]


def test_metrics_health_and_documents(bench: VideoBench, finished: str) -> None:
    url = bench.client.url
    metrics = requests.get(url + "/metrics", timeout=10).text
    for name in ("twinport_tasks_waiting", "twinport_task_wait_seconds", "twinport_video_seconds_total"):
        assert name in metrics
    health = requests.get(url + "/health", timeout=10).json()
    assert (health["message"], health["engine_mode"], health["ready"]) == ("ok", "preview", True)
    assert requests.get(url + "/ready", timeout=10).status_code == 200
    paths = requests.get(url + "/openapi.json", timeout=10).json()["paths"]
    assert {"/upload", "/easy/submit", "/easy/query", "/easy/task/{code}", "/download", "/files"} <= set(paths)
    assert finished


@pytest.mark.slow
def test_a_queue_of_one_engine_is_worked_off_by_two_when_there_are_two(
    tmp_path: Path, clip: Path, speech: Path
) -> None:
    media = tmp_path / "media"
    second = duix(tmp_path / "second", media, "--pace", "0.5")
    with video_bench(tmp_path, "--pace", "0.5", start_engine=False, media_dir=media) as first:
        first.gateway.stop()
        first.engine.start()
        second.start()
        try:
            first.gateway.environment = {
                **first.gateway.environment,
                "TWINPORT_DUIX_URL": f"{first.engine.url},{second.url}",
            }
            first.gateway.restart()
            client = first.client
            audio, video = client.upload("audio", speech), client.upload("video", clip)
            codes = [client.submit(audio, video) for _ in range(4)]
            assert [client.outcome(code)["status"] for code in codes] == [2] * 4
            shares = [engine.output().count("-> accepted") for engine in (first.engine, second)]
            assert sum(shares) == 4
            assert min(shares) >= 1
        finally:
            second.kill()


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory, clip: Path, speech: Path) -> Any:
    """An entry that asks for a key."""
    folder = tmp_path_factory.mktemp("locked")
    with video_bench(folder, api_key="user-key", admin_api_key="admin-key") as made:
        made.client = Client(made.gateway.url, {"X-API-Key": "user-key"})
        yield made


def test_without_the_key_nothing_is_shown(locked: VideoBench) -> None:
    url = locked.client.url
    for method, path in (
        ("GET", "/easy/query?code=test"),
        ("POST", "/easy/submit"),
        ("POST", "/upload"),
        ("GET", "/download?path=x"),
        ("GET", "/x-r.mp4"),
        ("GET", "/easy/tasks"),
        ("DELETE", "/easy/task/x"),
        ("GET", "/easy/other"),
        ("GET", "/files"),
        ("GET", "/metrics"),
    ):
        answer = requests.request(method, url + path, timeout=10)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized"), path
    assert locked.client.query("test")["success"] is True
    assert requests.get(url + "/health", timeout=10).status_code == 200


def test_the_list_of_files_is_for_administrators(locked: VideoBench, bench: VideoBench, clip: Path) -> None:
    locked.client.upload("video", clip, "视频.mp4")
    url = locked.client.url + "/files"
    assert requests.get(url, headers=locked.client.headers, timeout=10).status_code == 401
    listed = requests.get(url, headers={"X-API-Key": "admin-key"}, timeout=10).json()["data"]
    assert [(file["name"], file["kind"], file["size"]) for file in listed] == [
        ("视频.mp4", "upload", clip.stat().st_size)
    ]
    assert requests.get(bench.client.url + "/files", timeout=10).status_code == 403


@pytest.mark.slow
def test_turned_video_is_rendered_upright(bench: VideoBench, clip: Path, speech: Path, tmp_path: Path) -> None:
    ffmpeg("-i", clip, "-c", "copy", "-metadata:s:v:0", "rotate=90", tmp_path / "turned.mp4")
    client = bench.client
    code = client.submit(client.upload("audio", speech), client.upload("video", tmp_path / "turned.mp4"))
    done = client.outcome(code)
    assert (done["width"], done["height"]) == (120, 160)
    client.download(done["result"], tmp_path / "out.mp4")
    stream = facts(tmp_path / "out.mp4", stream="v:0")["streams"][0]
    assert "side_data_list" not in stream
