"""Each system call of a resumable upload fails once: the client goes on at the acknowledged byte; nothing is left."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

import pytest
import requests

from gateway.services.resumable import MOST_UNFINISHED
from tests.support.faults import CODES, SPARE_FILES, Faults, Sweep, leftovers, open_files, sweeps
from tests.support.power_loss import TUS
from tests.support.video import VideoBench, video_bench

PIECE = {**TUS, "Content-Type": "application/offset+octet-stream"}
METADATA = {"Upload-Metadata": "field dmlkZW8=,filename YS5tcDQ="}  # video, a.mp4
CONTENT = os.urandom(300_000)
TRIES = 5


@pytest.fixture(scope="module")
def faulty(faults: Faults, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VideoBench]:
    folders = {"data_dir": faults.folder / "data", "media_dir": faults.folder / "media"}
    environment = faults.environment
    with video_bench(
        tmp_path_factory.mktemp("bench"), start_engine=False, process_environment=environment, **folders
    ) as made:
        yield made


def insisted(faults: Faults, method: str, url: str, **more: object) -> requests.Response:
    """Ask until it is done; a refusal names the storage, or the byte to go on at."""
    for _ in range(TRIES):
        answer = requests.request(method, url, timeout=30, **more)  # type: ignore[arg-type]
        if answer.ok or answer.status_code == 409:
            return answer
        if method != "HEAD":
            assert answer.json()["code"] in CODES, f"{method} {faults.call}: {answer.status_code} {answer.text}"
    raise AssertionError(f"{method} {faults.call}: {answer.status_code} {answer.text}")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("sweep", sweeps(step=4), ids=str)
def test_resumable_upload(faulty: VideoBench, faults: Faults, sweep: Sweep) -> None:
    begin = faulty.client.url + "/upload/resumable"
    before, partial = len(open_files(faulty.gateway)), faulty.media / ".partial"
    for at in faults.each(sweep):
        headers = {**TUS, **METADATA, "Upload-Length": str(len(CONTENT))}
        url = faulty.client.url + insisted(faults, "POST", begin, headers=headers).headers["Location"]
        acknowledged = 0
        while acknowledged < len(CONTENT):
            piece = CONTENT[acknowledged : acknowledged + 150_000]
            insisted(faults, "PATCH", url, headers={**PIECE, "Upload-Offset": str(acknowledged)}, data=piece)
            offset = int(insisted(faults, "HEAD", url, headers=TUS).headers["Upload-Offset"])
            assert offset >= acknowledged, f"call {at} {faults.call}"
            acknowledged = offset
        assert insisted(faults, "GET", url).json()["answer"]["path"] == "/code/data/a.mp4"
        stored = insisted(faults, "GET", faulty.client.url + "/download", params={"path": "a.mp4"})
        assert stored.content == CONTENT, f"call {at} {faults.call}"
        # A client that begins again and again with a broken disk must not use up its share.
        assert [path.name for path in partial.iterdir() if path.suffix != ".json"] == [], f"call {at} {faults.call}"
    assert leftovers(faults.folder) == []
    assert len(open_files(faulty.gateway)) <= before + SPARE_FILES


def test_uploads_that_a_broken_disk_did_not_let_begin_are_not_counted(faulty: VideoBench, faults: Faults) -> None:
    begin = faulty.client.url + "/upload/resumable"
    headers = {**TUS, **METADATA, "Upload-Length": "9"}
    for at in range(MOST_UNFINISHED + 1):
        with faults.nth(at % 8 + 1, errno.EIO, times=1_000_000):
            answer = requests.post(begin, headers=headers, timeout=30)
        assert answer.status_code == 500
    assert requests.post(begin, headers=headers, timeout=30).status_code == 201
