"""The stand-in keeps the real Duix engine's contract, odd as it is."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.video import DuixServer, duix, require_good_video, start_again

BUSY = {"code": 10001, "data": {}, "msg": "忙碌中", "success": True}
UNKNOWN = {"code": 10004, "data": {}, "msg": "任务不存在", "success": True}
# 2025-09-02 11:49:10,914-[service.self_logger]-threading.py[line:870]-INFO: …
LOG_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}-\[[\w.]+\]-\w+\.py\[line:\d+\]-(INFO|WARNING|ERROR): ")


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory, clip: Path, speech: Path) -> Path:
    folder = tmp_path_factory.mktemp("preview") / "media"
    folder.mkdir()
    shutil.copy(clip, folder / "v.mp4")
    shutil.copy(speech, folder / "a.wav")
    return folder


@pytest.fixture(scope="module")
def engine(media: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuixServer]:
    server = duix(tmp_path_factory.mktemp("engine"), media)
    server.start()
    yield server
    server.kill()


def submit(engine: DuixServer, **request: object) -> Any:
    return requests.post(engine.url + "/easy/submit", json=request, timeout=10).json()


def query(engine: DuixServer, code: str) -> Any:
    return requests.get(engine.url + "/easy/query", params={"code": code}, timeout=10).json()


def final(engine: DuixServer, code: str) -> tuple[list[int], dict[str, Any]]:
    """All progress figures that were seen, and the final answer."""
    seen, deadline = [], time.monotonic() + 60
    while time.monotonic() < deadline:
        data = query(engine, code)["data"]
        if data["status"] != 1:
            return seen, data
        assert data["result"] == ""
        seen.append(data["progress"])
        time.sleep(0.02)
    raise AssertionError("never ended")


def good(code: str) -> dict[str, object]:
    return {"audio_url": "/code/data/a.wav", "video_url": "/code/data/v.mp4", "code": code}


def test_a_task_from_start_to_its_one_final_answer(engine: DuixServer, media: Path) -> None:
    assert submit(engine, **good("one")) == {"code": 10000, "data": {}, "msg": 10000, "success": True}
    assert submit(engine, code="two") == BUSY, "busy comes before the fields, and as a success"
    seen, done = final(engine, "one")
    assert set(seen) <= {0, 10, 20, 80}
    assert (done["status"], done["progress"], done["result"], done["msg"]) == (2, 100, "/one-r.mp4", "任务完成")
    assert abs(done["video_duration"] - 1400) < 100
    assert query(engine, "one") == UNKNOWN, "the first read deletes it"
    require_good_video(media / "temp" / "one-r.mp4", seconds=1.4)


def test_missing_fields_and_broken_requests(engine: DuixServer) -> None:
    missing = submit(engine, code="x", video_url="v")
    assert (missing["code"], missing["msg"], missing["success"]) == (10002, "audio_url参数缺失", False)
    assert submit(engine, code="x", audio_url="a")["msg"] == "video_url参数缺失"
    for body in ("{", "[]", '{"audio_url":"a"}'):
        assert requests.post(engine.url + "/easy/submit", data=body, timeout=10).status_code == 500
    assert (
        requests.get(engine.url + "/easy/query?code=none", timeout=10).headers["Content-Type"].startswith("text/html")
    )
    for path in ("/upload", "/download", "/health"):
        assert requests.get(engine.url + path, timeout=10).status_code == 404


@pytest.mark.parametrize(
    ("audio", "video", "message"),
    [
        ("/code/data/none.wav", "/code/data/v.mp4", "三次获取音频时长失败"),
        ("/code/data/a.wav", "/code/data/none.mp4", "format video error"),
        ("/code/data/a.wav", "/code/data/a.wav", "format video error"),
        ("temp/a.wav", "/code/data/v.mp4", "三次获取音频时长失败"),
    ],
)
def test_files_are_examined_only_by_the_task(engine: DuixServer, audio: str, video: str, message: str) -> None:
    assert submit(engine, audio_url=audio, video_url=video, code="bad")["code"] == 10000
    _, failed = final(engine, "bad")
    assert (failed["status"], failed["progress"], failed["result"], failed["msg"]) == (3, 0, "", message)
    assert f"[bad]任务执行失败，异常信息:[{message}]" in engine.output()


def test_bare_names_lie_in_temp(engine: DuixServer, media: Path) -> None:
    shutil.copy(media / "a.wav", media / "temp" / "bare.wav")
    submit(engine, audio_url="bare.wav", video_url="/code/data/v.mp4", code="bare")
    assert final(engine, "bare")[1]["status"] == 2


def test_a_missing_folder_fails_the_task_as_in_the_real_one(engine: DuixServer, media: Path) -> None:
    shutil.rmtree(media / "result")
    try:
        submit(engine, **good("folder"))
        assert "No such file or directory: '/code/data/result/param.json'" in final(engine, "folder")[1]["msg"]
    finally:
        (media / "result").mkdir()


def test_the_log_has_the_newer_images_format_and_ready_marks(engine: DuixServer, media: Path) -> None:
    said = engine.output()
    for mark in (
        "TransDhServer服务启动",
        "Running on all addresses",
        "av_transfer load success",
        "Model warm up done !",
    ):
        assert mark in said
    assert LOG_LINE.match(said)
    assert "TransDhServer服务启动" in (media / "log" / "dh.log").read_text(encoding="utf-8")


def test_a_restart_forgets_and_a_cold_engine_fails(tmp_path: Path, media: Path) -> None:
    server = duix(tmp_path, media, "--pace", "5")
    server.start()
    try:
        submit(server, **good("lost"))
        server.kill()
        start_again(server, "--warm-up", "30")
        assert query(server, "lost") == UNKNOWN
        submit(server, **good("cold"))
        assert final(server, "cold")[1]["msg"] == ""
        assert "_queue.Empty" in server.output()
    finally:
        server.kill()
