"""A disk that is full at any write: refused with a sentence or waited out, never lost, never half a file."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support.disks import SmallDisk, small_disk
from tests.support.servers import Server
from tests.support.video import VideoBench, make_clip, require_good_video, video_bench

MIB = 2**20


@pytest.fixture(scope="module")
def big_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip of some megabytes: whatever is made of it takes room."""
    noisy = (
        "-vf",
        "noise=alls=60:allf=t",
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-crf",
        "12",
        "-pix_fmt",
        "yuv422p",
    )
    return make_clip(tmp_path_factory.mktemp("big") / "avatar_big.mp4", size="320x240", options=noisy)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk") as made:
        yield made


def on(disk: SmallDisk) -> dict[str, object]:
    return {"media_dir": disk.folder / "media", "data_dir": disk.folder / "data", "min_free_bytes": MIB}


def unfinished(disk: SmallDisk) -> list[Path]:
    return [path for path in disk.folder.rglob(".*.part") if "inputs" not in path.parts]


def test_an_upload_that_does_not_fit_is_refused_before_it_begins(tmp_path: Path, disk: SmallDisk) -> None:
    with video_bench(tmp_path, start_engine=False, **on(disk)) as bench:
        disk.fill(leave=3 * MIB)
        answer = requests.post(bench.client.url + "/upload", files={"video": ("a.mp4", b"x" * 4 * MIB)}, timeout=30)
        assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
        assert answer.json()["message"]
        assert unfinished(disk) == []


def test_an_upload_of_unknown_size_stops_when_the_disk_is_full(tmp_path: Path, disk: SmallDisk) -> None:
    with video_bench(tmp_path, start_engine=False, **on(disk)) as bench:
        disk.fill(leave=3 * MIB)

        def chunks() -> Iterator[bytes]:
            yield b'--B\r\nContent-Disposition: form-data; name="video"; filename="a.mp4"\r\n\r\n'
            for _ in range(8):
                yield b"x" * MIB
            yield b"\r\n--B--\r\n"

        headers = {"Content-Type": "multipart/form-data; boundary=B"}
        answer = requests.post(bench.client.url + "/upload", data=chunks(), headers=headers, timeout=30)  # type: ignore[arg-type]
        assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
        assert unfinished(disk) == []
        assert not (bench.media / "a.mp4").exists()


def test_an_upload_of_unknown_size_leaves_the_disk_its_reserve(tmp_path: Path, disk: SmallDisk) -> None:
    reserve = 20 * MIB
    with video_bench(tmp_path, start_engine=False, **{**on(disk), "min_free_bytes": reserve}) as bench:
        least = disk.free

        def chunks() -> Iterator[bytes]:
            nonlocal least
            yield b'--B\r\nContent-Disposition: form-data; name="video"; filename="a.mp4"\r\n\r\n'
            for _ in range(56):
                yield b"x" * MIB
                least = min(least, disk.free)
            yield b"\r\n--B--\r\n"

        headers = {"Content-Type": "multipart/form-data; boundary=B"}
        answer = requests.post(bench.client.url + "/upload", data=chunks(), headers=headers, timeout=30)  # type: ignore[arg-type]
        assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
        assert least > reserve - 18 * MIB
        assert unfinished(disk) == []


@pytest.mark.slow
def test_the_queue_waits_for_space_and_continues_by_itself(
    tmp_path: Path, disk: SmallDisk, clip: Path, speech: Path
) -> None:
    with video_bench(tmp_path, start_engine=False, **on(disk)) as bench:
        client = bench.client
        code = client.submit(client.upload("audio", speech), client.upload("video", clip))
        disk.fill(leave=MIB // 2)
        bench.engine.start()
        health = requests.get(client.url + "/health", timeout=10).json()
        assert (health["paused"], health["ready"]) == (True, False)
        assert requests.get(client.url + "/ready", timeout=10).status_code == 503
        data = client.query(code, **{"Accept-Language": "en"})["data"]
        assert data["status"] == 1
        assert "disk is full" in data["msg"]
        disk.make_room()
        assert client.outcome(code)["status"] == 2


# From "no room for the record" over "none for the copies" to "none for the finished video".
@pytest.mark.slow
@pytest.mark.parametrize("leave", [0, 0.3, 1.1, 1.6, 2.4, 3.5, 5.0, 7.0, 10.0])
def test_a_disk_that_fills_up_in_the_middle(
    tmp_path: Path, disk: SmallDisk, big_clip: Path, speech: Path, leave: float
) -> None:
    with video_bench(tmp_path, **on(disk)) as bench:
        client = bench.client
        audio, video = client.upload("audio", speech), client.upload("video", big_clip)
        disk.fill(leave=int(leave * MIB))
        request = {"audio_url": audio, "video_url": video, "code": "full"}
        answer = requests.post(client.url + "/easy/submit", json=request, timeout=30)
        assert answer.status_code in (200, 507), answer.text
        time.sleep(2)  # whatever fails for want of room does so now
        disk.make_room()
        if answer.status_code == 507:
            assert client.query("full")["code"] == 10004, "what was refused is not there"
            client.submit(audio, video, "full")
        data = client.outcome("full")
        assert data["status"] == 2, (data, bench.gateway.output()[-3000:])
        client.download(data["result"], tmp_path / "out.mp4")
        require_good_video(tmp_path / "out.mp4", seconds=1.4)
        assert unfinished(disk) == []


def limit_file_size(bench: VideoBench, size: int) -> Server:
    """Let the gateway write no file beyond a size: every larger write fails, on any disk."""
    gateway = bench.gateway
    gateway.stop()
    gateway.command = ["prlimit", f"--fsize={size}", *gateway.command]
    return gateway.restart()


@pytest.mark.slow
def test_writes_that_the_system_refuses_are_a_full_disk_too(tmp_path: Path, clip: Path, speech: Path) -> None:
    with video_bench(tmp_path) as bench:
        limit_file_size(bench, MIB)
        client = bench.client
        answer = requests.post(client.url + "/upload", files={"video": ("a.mp4", b"x" * 2 * MIB)}, timeout=30)
        assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
        assert not list(bench.media.glob(".*.part"))
        code = client.submit(client.upload("audio", speech), client.upload("video", clip))
        assert client.outcome(code)["status"] == 2
