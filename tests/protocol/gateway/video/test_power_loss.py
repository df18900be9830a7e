"""The power fails at each sync: the video entry starts on what is left of its disk and keeps what it acknowledged."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.support.power_loss import STEP, Promise, Recording, Restarted, Witness, broken_cuts, require_whole_database
from tests.support.power_loss.record import Recorder
from tests.support.video import duix, make_clip, require_good_video, video_bench

FIRST, SECOND, CANCELLED = "first", "second", "cancelled"
SECONDS = 60.0


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory, clip: Path, speech: Path) -> Recording:
    """Also the engine is recorded, which syncs nothing."""
    folder = tmp_path_factory.mktemp("power").resolve()
    roots = {"data_dir": folder / "disk" / "data", "media_dir": folder / "disk" / "media"}
    for root in roots.values():
        root.mkdir(parents=True)
    recorder = Recorder(roots.values(), folder / "log")
    with video_bench(folder, start_engine=False, process_environment=recorder.environment, **roots) as bench:
        bench.engine.environment = recorder.environment
        bench.engine.start()
        witness = Witness(recorder, bench.client.url)
        # This one has to be converted.
        odd = make_clip(folder / "odd.avi", options=("-c:v", "mpeg4"))
        job(witness, clip, speech, odd)
        bench.gateway.stop()
    return Recording(
        "video", roots, recorder.events(), witness.promises, {"duix_url": bench.engine.url, "engine_warm_up": 0}
    )


def job(witness: Witness, clip: Path, speech: Path, odd: Path) -> None:
    """Uploads by form and in pieces, one in another's place, finished videos, a cancelled task."""
    audio, _ = upload(witness, "audio", "a.wav", speech.read_bytes())
    video, _ = upload(witness, "video", "v.mp4", clip.read_bytes())
    submit(witness, FIRST, audio, video)
    _, promise = upload(witness, "audio", "same.wav", b"older" * 1000)
    witness.ends(promise)
    upload(witness, "audio", "same.wav", b"newer" * 2000)
    witness.upload_in_pieces("/upload/resumable", clip.read_bytes(), {"field": "video", "filename": "pieces.mp4"})
    finish(witness, FIRST)
    submit(witness, SECOND, audio, upload(witness, "video", odd.name, odd.read_bytes())[0])
    submitted = submit(witness, CANCELLED, audio, "/code/data/pieces.mp4")
    witness.ends(submitted)
    cancelled = witness.ask("DELETE", f"/easy/task/{CANCELLED}")
    witness.promised(cancelled, lambda entry: require_status(entry, CANCELLED, 3))
    finish(witness, SECOND)


def upload(witness: Witness, kind: str, name: str, content: bytes) -> tuple[str, Promise]:
    answer = witness.ask("POST", "/upload", files={kind: (name, content)})

    def kept(entry: Restarted) -> None:
        assert entry.get("/download", params={"path": name}).content == content

    return str(answer.json()["path"]), witness.promised(answer, kept)


def submit(witness: Witness, code: str, audio: str, video: str) -> Promise:
    answer = witness.ask("POST", "/easy/submit", json={"audio_url": audio, "video_url": video, "code": code})
    assert answer.json()["code"] == 10000

    def known(entry: Restarted) -> None:
        assert state(entry, code)["status"] in (1, 2)

    return witness.promised(answer, known)


def finish(witness: Witness, code: str) -> None:
    deadline = time.monotonic() + SECONDS
    while (seen := witness.ask("GET", "/easy/query", params={"code": code})).json()["data"]["status"] != 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    video = witness.ask("GET", "/download", params={"path": f"/{code}-r.mp4"}).content

    def kept(entry: Restarted) -> None:
        assert state(entry, code)["result"] == f"/{code}-r.mp4"
        assert entry.get("/download", params={"path": f"/{code}-r.mp4"}).content == video

    witness.promised(seen, kept)


def state(entry: Restarted, code: str) -> dict[str, object]:
    data: dict[str, object] = entry.get("/easy/query", params={"code": code}).json()["data"]
    return data


def require_status(entry: Restarted, code: str, status: int) -> None:
    assert state(entry, code)["status"] == status


def require_tidy(entry: Restarted) -> None:
    """No task has failed for want of its files, and nothing half-made is there."""
    media = entry.folder("media_dir")
    require_whole_database(entry.folder("data_dir"))
    for task in entry.get("/easy/tasks").json()["data"]:
        assert task["state"] != "failed", task
    assert [path for path in media.rglob(".*.part") if path.parent.name != ".partial"] == []
    for name in ("a.wav", "v.mp4", "pieces.mp4", "same.wav"):
        found = entry.get("/download", params={"path": name})
        assert found.status_code == 404 or len(found.content) > 1000


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_each_power_cut(recording: Recording, tmp_path: Path) -> None:
    broken = broken_cuts(recording, recording.cuts(STEP), tmp_path, require_tidy)
    assert not broken, "\n".join(broken)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_after_a_cut_the_engine_finishes_each_task(recording: Recording, tmp_path: Path) -> None:
    """Whatever the engine has left of its unsynced work."""
    url = str(recording.settings["duix_url"])
    engine = duix(tmp_path / "engine", tmp_path / "disk" / "media", port=int(url.rpartition(":")[2]))

    def finished(entry: Restarted) -> None:
        engine.start()
        try:
            for task in entry.get("/easy/tasks").json()["data"]:
                require_end(entry, task["code"], tmp_path / "video.mp4")
        finally:
            engine.kill()

    some = recording.cuts(STEP * 4 if STEP > 1 else 10)
    broken = broken_cuts(recording, some, tmp_path, finished)
    assert not broken, "\n".join(broken)


def require_end(entry: Restarted, code: str, target: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while (found := state(entry, code))["status"] == 1:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    assert found["status"] == 2 or code == CANCELLED, found
    if code != CANCELLED:
        target.write_bytes(entry.get("/download", params={"path": f"/{code}-r.mp4"}).content)
        require_good_video(target, seconds=1.4)
