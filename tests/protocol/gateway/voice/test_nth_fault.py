"""Each system call of each way to store something fails once: a coded answer, nothing lost, nothing half-made left."""

from __future__ import annotations

import errno
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support.faults import SPARE_FILES, Faults, Sweep, accepted, leftovers, open_files, sweeps
from tests.support.voice import VoiceBench, spoken_wav, voice_bench


@pytest.fixture(scope="module")
def faulty(faults: Faults, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VoiceBench]:
    with voice_bench(
        tmp_path_factory.mktemp("bench"),
        data_dir=faults.folder,
        process_environment=faults.environment,
        max_voices_per_device=10_000,
    ) as made:
        yield made


def voice_of(bench: VoiceBench, device: str) -> list[str]:
    """The ids of a device's voices."""
    answer = requests.get(f"{bench.url}/v1/voices", params={"device_id": device}, timeout=30)
    return [voice["id"] for voice in answer.json()["data"]]


@pytest.mark.slow
@pytest.mark.parametrize("sweep", sweeps(step=10), ids=str)
def test_training(faulty: VoiceBench, faults: Faults, sweep: Sweep) -> None:
    faulty.ready_voice(device="warm-up")
    before = len(open_files(faulty.gateway))
    made = []
    for at in faults.each(sweep):
        device = f"train-{sweep}-{at}"
        answer = faulty.upload(spoken_wav(), device=device)
        if accepted(answer, f"call {at} {faults.call}"):
            made.append((device, answer.json()["data"]["voiceId"]))
            # A fault that passes is never the recording's.
            assert faulty.finished(made[-1][1], device=device)["status"] == "ready", f"call {at} {faults.call}"
        else:
            faults.disarm()
            assert voice_of(faulty, device) == []
            assert faulty.train(spoken_wav(), device=device)["status"] == "ready"
    assert len(made) > 1
    assert leftovers(faulty.data()) == []
    assert len(open_files(faulty.gateway)) <= before + SPARE_FILES
    faulty.gateway.kill()
    faulty.gateway.restart()
    faulty.wait_until_ready()
    for device, voice_id in made:
        assert faulty.voice(voice_id, device=device)["status"] == "ready"


@pytest.mark.slow
@pytest.mark.parametrize("sweep", sweeps(), ids=str)
def test_speech(faulty: VoiceBench, faults: Faults, sweep: Sweep) -> None:
    voice = faulty.ready_voice()
    faulty.speech(voice, "Warm up.")
    before = len(open_files(faulty.gateway))
    spoken = []
    for at in faults.each(sweep):
        text = f"Number {at} of {sweep}."
        answer = faulty.tts(voice, text)
        if accepted(answer, f"call {at} {faults.call}"):
            spoken.append(answer.json()["data"]["audioUrl"])
        else:
            faults.disarm()
            spoken.append(faulty.tts(voice, text).json()["data"]["audioUrl"])
    for url in spoken:
        file = requests.get(faulty.url + url, timeout=10)
        assert file.status_code == 200, url
        assert len(file.content) > 1000
    assert len(list((faulty.data() / "files").iterdir())) >= len(set(spoken))
    assert leftovers(faulty.data()) == []
    assert len(open_files(faulty.gateway)) <= before + SPARE_FILES


@pytest.mark.slow
@pytest.mark.parametrize("sweep", sweeps(step=7), ids=str)
def test_deletion(faulty: VoiceBench, faults: Faults, sweep: Sweep) -> None:
    gone = []
    for at in faults.each(sweep):
        device = f"delete-{sweep}-{at}"
        with faults.paused():
            voice = faulty.ready_voice(device=device)
        address = f"{faulty.url}/v1/voices/{voice}"
        answer = requests.delete(address, params={"device_id": device}, timeout=30)
        if not accepted(answer, f"call {at} {faults.call}"):
            faults.disarm()
            assert requests.get(address, params={"device_id": device}, timeout=10).status_code == 200
            assert requests.delete(address, params={"device_id": device}, timeout=30).status_code == 200
        assert requests.get(address, params={"device_id": device}, timeout=10).status_code == 404
        gone.append(voice)
    deadline = time.monotonic() + 60
    while left := [voice for voice in gone if (faulty.data() / "voices" / voice).exists()]:
        assert time.monotonic() < deadline, left
        time.sleep(0.2)


@pytest.mark.slow
@pytest.mark.parametrize("sweep", sweeps(step=16), ids=str)
def test_export_and_import(faulty: VoiceBench, faults: Faults, sweep: Sweep) -> None:
    voice = faulty.ready_voice(device="export")
    address, device = f"{faulty.url}/v1/voices/{voice}/export", {"device_id": "export"}
    archive = requests.get(address, params=device, timeout=30).content
    for at in faults.each(sweep):
        answer = requests.get(address, params=device, timeout=30)
        assert not accepted(answer, f"call {at} {faults.call}") or len(answer.content) == len(archive)
    for at in faults.each(sweep):
        answer = requests.post(
            f"{faulty.url}/v1/voices/import",
            data={"device_id": f"import-{sweep}-{at}"},
            files={"archive": ("a.zip", archive)},
            timeout=30,
        )
        if accepted(answer, f"call {at} {faults.call}"):
            made = answer.json()["data"]["voiceId"]
            assert faulty.finished(made, device=f"import-{sweep}-{at}")["status"] == "ready"
    assert leftovers(faulty.data()) == []


@pytest.mark.slow
@pytest.mark.parametrize("error", [errno.EIO, errno.EROFS])
@pytest.mark.parametrize("call", ["link", "unlink"])
def test_a_disk_that_fails_more_than_once_while_a_voice_is_prepared(
    faulty: VoiceBench, faults: Faults, call: str, error: int
) -> None:
    """The link is the decoder's way to the recording; the first file that is deleted is the mark of a new voice."""
    device = f"passing-{call}-{error}"
    with faults.nth(1, error, times=2, only=call):
        voice = faulty.train(spoken_wav(), device=device)
        assert faults.fired
    assert voice["status"] == "ready"
    assert sorted(path.name for path in (faulty.data() / "voices" / voice["id"]).iterdir()) == [
        "reference.wav",
        "upload",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("error", "code"), [(errno.EIO, "storage_broken"), (errno.EROFS, "storage_read_only")])
def test_a_disk_that_stays_broken_is_named_in_health_until_it_works(
    faulty: VoiceBench, faults: Faults, error: int, code: str
) -> None:
    english = {"Accept-Language": "en"}

    def health() -> dict[str, str] | None:
        answer = requests.get(faulty.url + "/health", headers=english, timeout=30)
        assert answer.status_code == 200
        found: dict[str, str] | None = answer.json()["storage"]
        return found

    with faults.nth(1, error, times=1_000_000):
        answer = faulty.upload(spoken_wav(), device="broken")
        assert (answer.status_code, answer.json()["code"]) == (500, code)
        trouble = health()
        assert trouble is not None
        assert trouble["code"] == code
        assert "disk" in trouble["message"]
    deadline = time.monotonic() + 60
    while health() is not None:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert faulty.train(spoken_wav(), device="broken")["status"] == "ready"


class Lock(threading.Thread):
    """Holds the database's write lock for some seconds."""

    def __init__(self, database: Path, seconds: float) -> None:
        super().__init__()
        self._database = database
        self._seconds = seconds
        self.held = threading.Event()

    def run(self) -> None:
        connection = sqlite3.connect(self._database)
        connection.execute("BEGIN IMMEDIATE")
        self.held.set()
        time.sleep(self._seconds)
        connection.close()


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [14, 26])
def test_a_database_that_is_locked_for_a_while_fails_no_voice(bench: VoiceBench, seconds: int) -> None:
    device = f"locked-{seconds}"
    answer = bench.upload(spoken_wav(), device=device)
    lock = Lock(bench.data() / "gateway.sqlite3", seconds)
    lock.start()
    lock.held.wait()
    during = bench.upload(spoken_wav(), device=f"{device}-during")
    assert (during.status_code, during.json()["code"]) == (503, "storage_busy")
    assert int(during.headers["Retry-After"]) > 0
    assert voice_of(bench, f"{device}-during") == []
    lock.join()
    assert bench.finished(answer.json()["data"]["voiceId"], device=device)["status"] == "ready"
    assert bench.train(spoken_wav(), device=f"{device}-during")["status"] == "ready"
