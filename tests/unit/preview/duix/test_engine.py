"""The stand-in engine ends every task, whatever becomes of its tools."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from preview.duix import media
from preview.duix.engine import Engine
from preview.duix.faults import Behaviour
from tests.support.video import make_clip, make_speech


@pytest.mark.parametrize(
    ("patient", "said"), [("ffprobe", "format video error"), ("", "三次获取音频时长失败")], ids=["ffmpeg", "ffprobe"]
)
def test_a_tool_that_hangs_fails_the_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patient: str, said: str
) -> None:
    folder = media.MediaFolder(tmp_path)
    folder.prepare()
    make_speech(folder.temp / "a.wav")
    make_clip(folder.temp / "v.mp4")
    run = media.run

    def hanging(*command: str) -> object:
        monkeypatch.setattr(media, "TIMEOUT_S", 60 if command[0] == patient else 0.0)
        return run(*command)

    monkeypatch.setattr(media, "run", hanging)
    engine = Engine(folder, Behaviour())
    assert engine.submit({"code": "c", "audio_url": "a.wav", "video_url": "v.mp4"})["code"] == 10000
    deadline = time.monotonic() + 20
    while (data := engine.query("c")["data"])["status"] == 1:  # type: ignore[index]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert (data["status"], data["msg"]) == (3, said)  # type: ignore[index]
