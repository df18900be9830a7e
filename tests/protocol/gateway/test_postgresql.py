"""Both entries on PostgreSQL in the place of SQLite: the same promises."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support.postgresql import running_postgresql
from tests.support.video import make_clip, make_speech, require_good_video, video_bench
from tests.support.voice import voice_bench

pytestmark = pytest.mark.slow


@pytest.fixture
def database() -> Iterator[str]:
    with running_postgresql() as url:
        yield url


def test_voices_and_speech_survive_a_restart(tmp_path: Path, database: str) -> None:
    with voice_bench(tmp_path, database_url=database) as bench:
        voice = bench.ready_voice(name="Anna")
        spoken = bench.speech(voice, "Spoken once.")
        bench.gateway.kill()
        bench.gateway.restart()
        bench.wait_until_ready()
        listed = requests.get(bench.url + "/v1/voices", params={"device_id": "device-1"}, timeout=10).json()
        assert [(one["id"], one["name"]) for one in listed["data"]] == [(voice, "Anna")]
        assert bench.speech(voice, "Spoken once.") == spoken
        gone = requests.delete(f"{bench.url}/v1/voices/{voice}", params={"device_id": "device-1"}, timeout=10)
        assert gone.status_code == 200
        assert bench.tts(voice, "Spoken once.").status_code == 404


def test_tasks_survive_a_restart(tmp_path: Path, database: str) -> None:
    clip, speech = make_clip(tmp_path / "clip.mp4"), make_speech(tmp_path / "speech.wav")
    with video_bench(tmp_path, start_engine=False, database_url=database) as bench:
        code = bench.client.submit(bench.client.upload("audio", speech), bench.client.upload("video", clip))
        bench.gateway.kill()
        bench.gateway.restart()
        bench.engine.start()
        outcome = bench.client.outcome(code)
        assert outcome["status"] == 2
        bench.client.download(outcome["result"], tmp_path / "out.mp4")
        require_good_video(tmp_path / "out.mp4", seconds=1.0)


def test_both_entries_may_share_a_database(tmp_path: Path, database: str) -> None:
    with (
        voice_bench(tmp_path / "voice", database_url=database) as voice,
        video_bench(tmp_path / "video", database_url=database) as video,
    ):
        assert voice.ready_voice()
        assert video.client.query("unknown")["code"] == 10004
