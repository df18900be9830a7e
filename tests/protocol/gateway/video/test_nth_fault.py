"""Each system call from an upload to the download of a video fails once: a coded answer, and no task pays for it."""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support.faults import SPARE_FILES, Faults, Sweep, accepted, leftovers, open_files, sweeps
from tests.support.video import VideoBench, require_good_video, video_bench


@pytest.fixture(scope="module")
def faulty(faults: Faults, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VideoBench]:
    folders = {"data_dir": faults.folder / "data", "media_dir": faults.folder / "media"}
    with video_bench(tmp_path_factory.mktemp("bench"), process_environment=faults.environment, **folders) as made:
        yield made


@pytest.mark.slow
@pytest.mark.parametrize("sweep", sweeps(), ids=str)
def test_upload(faulty: VideoBench, faults: Faults, speech: Path, sweep: Sweep) -> None:
    faulty.client.upload("audio", speech, "warm-up.wav")
    before = len(open_files(faulty.gateway))
    for at in faults.each(sweep):
        name = f"upload-{sweep.errors[0]}-{at}.wav"
        files = {"audio": (name, speech.read_bytes())}
        answer = requests.post(faulty.client.url + "/upload", files=files, timeout=30)
        done = accepted(answer, f"call {at} {faults.call}")
        faults.disarm()
        stored = requests.get(faulty.client.url + "/download", params={"path": name}, timeout=30)
        # What was refused may be there, but only whole.
        assert stored.status_code == 200 or (not done and stored.status_code == 404)
        assert stored.status_code == 404 or stored.content == speech.read_bytes()
    assert leftovers(faults.folder) == []
    assert len(open_files(faulty.gateway)) <= before + SPARE_FILES


@pytest.mark.slow
@pytest.mark.parametrize("sweep", sweeps(step=20), ids=str)
def test_from_submit_to_download(
    faulty: VideoBench, faults: Faults, clip: Path, speech: Path, tmp_path: Path, sweep: Sweep
) -> None:
    client = faulty.client
    audio, video = client.upload("audio", speech), client.upload("video", clip)
    assert client.outcome(client.submit(audio, video))["status"] == 2
    before, done = len(open_files(faulty.gateway)), []
    for at in faults.each(sweep):
        code = f"task-{sweep.errors[0]}-{at}"
        request = {"audio_url": audio, "video_url": video, "code": code}
        answer = requests.post(client.url + "/easy/submit", json=request, timeout=30)
        if not accepted(answer, f"call {at} {faults.call}"):
            faults.disarm()
            assert client.query(code)["code"] == 10004
            client.submit(audio, video, code)
        assert client.outcome(code)["status"] == 2, f"call {at} {faults.call}"
        assert faulty.renders(code) == 1, f"call {at} {faults.call}"
        done.append(code)
    assert leftovers(faults.folder) == []
    assert list((faults.folder / "media" / "inputs").iterdir()) == []
    assert len(open_files(faulty.gateway)) <= before + SPARE_FILES
    faulty.gateway.kill()
    faulty.gateway.restart()
    for code in done:
        assert client.query(code)["data"]["status"] == 2
        client.download(f"/{code}-r.mp4", tmp_path / "video.mp4")
    require_good_video(tmp_path / "video.mp4", seconds=1.4)


@pytest.mark.slow
@pytest.mark.parametrize("sweep", sweeps(), ids=str)
def test_download(faulty: VideoBench, faults: Faults, speech: Path, sweep: Sweep) -> None:
    faulty.client.upload("audio", speech, "whole.wav")
    before = len(open_files(faulty.gateway))
    for at in faults.each(sweep):
        answer = requests.get(faulty.client.url + "/download", params={"path": "whole.wav"}, timeout=30)
        assert not accepted(answer, f"call {at} {faults.call}") or answer.content == speech.read_bytes()
    assert len(open_files(faulty.gateway)) <= before + SPARE_FILES


@pytest.mark.slow
def test_a_disk_that_stays_read_only_is_named_in_health_and_fails_no_task(
    faulty: VideoBench, faults: Faults, clip: Path, speech: Path
) -> None:
    client = faulty.client
    code = client.submit(client.upload("audio", speech), client.upload("video", clip))
    with faults.nth(1, errno.EROFS, times=1_000_000):
        answer = requests.post(client.url + "/upload", files={"audio": ("a.wav", b"x")}, timeout=30)
        assert (answer.status_code, answer.json()["code"]) == (500, "storage_read_only")
        assert requests.get(client.url + "/health", timeout=30).json()["storage"]["code"] == "storage_read_only"
        time.sleep(3)
    assert client.outcome(code)["status"] == 2
    deadline = time.monotonic() + 60
    while requests.get(client.url + "/health", timeout=30).json()["storage"] is not None:
        assert time.monotonic() < deadline
        time.sleep(0.2)
