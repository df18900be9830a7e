"""Each system call of the video entry's start fails once: it starts, or ends and says why, and the next one works."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.faults import Faults, Sweep, failed_starts, sweeps
from tests.support.forked import ForkedServer, forked_entry, forking
from tests.support.video import Client, require_good_video, video_bench


@pytest.fixture(scope="module")
def server(faults: Faults, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkedServer]:
    disk = faults.folder
    settings = {"data_dir": disk / "data", "media_dir": disk / "media", "duix_url": "http://127.0.0.1:1"}
    with forking(faults.environment) as parent:
        yield forked_entry(parent, "video", tmp_path_factory.mktemp("bench") / "video.log", settings)


@pytest.fixture(scope="module")
def stored(faults: Faults, clip: Path, speech: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A finished task, and one that waits."""
    disk, folder = faults.folder, tmp_path_factory.mktemp("before")
    with video_bench(folder, data_dir=disk / "data", media_dir=disk / "media") as bench:
        audio, video = bench.client.upload("audio", speech), bench.client.upload("video", clip)
        bench.client.submit(audio, video, "done")
        assert bench.client.outcome("done")["status"] == 2
        bench.engine.kill()
        bench.client.submit(audio, video, "waits")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("sweep", sweeps(step=25), ids=str)
def test_start(server: ForkedServer, faults: Faults, tmp_path: Path, sweep: Sweep) -> None:
    for _ in failed_starts(server, faults, sweep):
        server.start()
        client = Client(server.url)
        assert client.query("done")["data"]["status"] == 2
        assert client.query("waits")["data"]["status"] == 1
        client.download("/done-r.mp4", tmp_path / "video.mp4")
        server.kill()
    require_good_video(tmp_path / "video.mp4", seconds=1.4)
