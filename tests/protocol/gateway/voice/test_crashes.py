"""Crashes and full disks: nothing acknowledged is lost, nothing half-made is seen."""

import random
import resource
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.support.disks import small_disk
from tests.support.voice import VoiceBench, spoken_wav, voice_bench

UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


def assert_tidy(bench: VoiceBench, known: set[str]) -> None:
    """Folders and records agree, and no temporary file is left."""
    folders = {folder.name for folder in (bench.data() / "voices").iterdir()}
    assert folders == known
    assert list((bench.data() / "incoming").iterdir()) == []
    with sqlite3.connect(f"file:{bench.data() / 'gateway.sqlite3'}?mode=ro", uri=True) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        recorded = {row[0] for row in connection.execute("SELECT token FROM speech")}
    connection.close()
    files = {path.name.split(".")[0] for path in (bench.data() / "files").iterdir()}
    assert files >= recorded
    assert all(not path.name.startswith(".") for path in (bench.data() / "files").iterdir())


def listed(bench: VoiceBench, device: str) -> set[str]:
    answer = requests.get(bench.url + "/v1/voices", params={"device_id": device}, timeout=10).json()
    return {voice["id"] for voice in answer["data"]}


class Client(threading.Thread):
    """Trains and speaks until the entry dies; remembers what was acknowledged."""

    def __init__(self, bench: VoiceBench, round_number: int) -> None:
        super().__init__()
        self._bench = bench
        self._round = round_number
        self.voices: list[str] = []
        self.files: list[str] = []

    def run(self) -> None:
        number = 0
        try:
            while True:
                number += 1
                trained = self._bench.upload(spoken_wav(), device="crash", name=f"{self._round}-{number}")
                trained.raise_for_status()
                self.voices.append(trained.json()["data"]["voiceId"])
                if number % 3 == 0:
                    ready = self._bench.finished(self.voices[-1], device="crash")
                    spoken = self._bench.tts(ready["id"], f"Text {self._round} {number}.", device="crash")
                    if spoken.status_code == 200:
                        self.files.append(spoken.json()["data"]["audioUrl"])
        except requests.RequestException:
            pass


@pytest.mark.slow
@pytest.mark.parametrize("rounds", [12])
def test_killed_at_any_moment_nothing_acknowledged_is_lost(tmp_path: Path, rounds: int) -> None:
    generator = random.Random(rounds)
    voices: set[str] = set()
    files: set[str] = set()
    with voice_bench(tmp_path, max_voices_per_device=10_000) as bench:
        for number in range(rounds):
            client = Client(bench, number)
            client.start()
            time.sleep(generator.uniform(0.05, 1.0))
            bench.gateway.kill()
            client.join(60)
            voices.update(client.voices)
            files.update(client.files)
            bench.gateway.restart()
            bench.wait_until_ready()
            assert voices <= listed(bench, "crash")
        for voice_id in listed(bench, "crash"):
            assert bench.finished(voice_id, device="crash")["status"] == "ready"
        for file in files:
            assert requests.get(bench.url + file, timeout=10).content[:4] == b"RIFF"
        assert_tidy(bench, listed(bench, "crash"))


def test_a_second_entry_on_the_same_data_does_not_start_and_sweeps_nothing(tmp_path: Path) -> None:
    with voice_bench(tmp_path, ready=False) as first:
        live = first.data() / "incoming" / ".0123456789abcdef.part"
        speech = first.data() / "files" / ".fedcba9876543210.part"
        for path in (live, speech):
            path.write_bytes(b"being received")
        second = voice_bench(tmp_path / "second", ready=False, data_dir=first.data())
        with pytest.raises(AssertionError, match="another voice entry is running"), second:
            pass
        assert [path.read_bytes() for path in (live, speech)] == [b"being received"] * 2
        assert requests.get(first.url + "/health", timeout=10).status_code == 200


def test_an_engine_killed_while_it_speaks_leaves_no_file(tmp_path: Path) -> None:
    with voice_bench(tmp_path, engine={"preview_rtf": 1.0}) as bench:
        voice = bench.ready_voice()
        answers: list[requests.Response] = []
        speaking = threading.Thread(target=lambda: answers.append(bench.tts(voice, "One sentence after another. " * 9)))
        speaking.start()
        while not bench.engine.health()["queue"]["running"]:
            time.sleep(0.02)
        time.sleep(0.3)
        bench.engine.kill()
        speaking.join(60)
        assert answers[0].status_code in (502, 503)
        assert answers[0].json()["code"] in ("engine_stream_broken", "engine_unreachable")
        assert list((bench.data() / "files").iterdir()) == []
        bench.engine.restart()
        bench.wait_until_ready()
        assert bench.speech(voice, "Short.")[:4] == b"RIFF"


@pytest.mark.slow
def test_stopping_finishes_what_runs(tmp_path: Path) -> None:
    with voice_bench(tmp_path, engine={"preview_rtf": 0.5}) as bench:
        voice = bench.ready_voice()
        answers: list[requests.Response] = []
        speaking = threading.Thread(target=lambda: answers.append(bench.tts(voice, "This is finished before the end.")))
        speaking.start()
        while not bench.engine.health()["queue"]["running"]:
            time.sleep(0.02)
        bench.gateway.stop()
        speaking.join(60)
        assert answers[0].status_code == 200
        bench.gateway.restart()
        assert requests.get(bench.url + answers[0].json()["data"]["audioUrl"], timeout=10).content[:4] == b"RIFF"
        assert bench.finished(voice)["status"] == "ready"


@contextmanager
def files_no_larger_than(bench: VoiceBench, size: int) -> Iterator[None]:
    """As if the disk were full: the gateway's writes fail beyond so many bytes of a file."""
    resource.prlimit(bench.gateway.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.prlimit(bench.gateway.pid, resource.RLIMIT_FSIZE, UNLIMITED)


@pytest.mark.slow
@pytest.mark.parametrize("size", [0, 1_000, 100_000, 300_000])
def test_a_full_disk_while_training_is_a_507_and_loses_nothing(tmp_path: Path, size: int) -> None:
    with voice_bench(tmp_path) as bench:
        before = bench.ready_voice(name="before")
        with files_no_larger_than(bench, size):
            answer = bench.upload(spoken_wav(), name="during")
            assert requests.get(bench.url + "/health", timeout=10).status_code == 200
            if answer.status_code == 200:
                time.sleep(1)
        if answer.status_code != 200:
            assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
        bench.gateway.stop()
        bench.gateway.restart()
        expected = {before} | ({answer.json()["data"]["voiceId"]} if answer.status_code == 200 else set())
        assert listed(bench, "device-1") == expected
        for voice_id in expected:
            assert bench.finished(voice_id)["status"] == "ready"
        assert_tidy(bench, expected)


@pytest.mark.parametrize("size", [10, *(pytest.param(size, marks=pytest.mark.slow) for size in (0, 30_000))])
def test_a_full_disk_while_speaking_is_a_507_and_loses_nothing(tmp_path: Path, size: int) -> None:
    with voice_bench(tmp_path, engine={}) as bench:
        voice = bench.ready_voice()
        earlier = bench.tts(voice, "Made before.").json()["data"]["audioUrl"]
        with files_no_larger_than(bench, size):
            answer = bench.tts(voice, "A text that makes more than a few bytes of sound.")
            assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
        assert requests.get(bench.url + earlier, timeout=10).content[:4] == b"RIFF"
        assert bench.speech(voice, "A text that makes more than a few bytes of sound.")[:4] == b"RIFF"
        assert len(list((bench.data() / "files").iterdir())) == 2


# From "no room for the upload" over "none for the decoded recording" to "none for the record of what was spoken".
@pytest.mark.slow
@pytest.mark.parametrize("leave", [0, 8, 40, 150, 400, 700, 1000, 1500, 2500])
def test_a_disk_that_fills_up_in_the_middle(tmp_path: Path, leave: int) -> None:
    with small_disk(tmp_path / "disk") as disk, voice_bench(tmp_path, data_dir=disk.folder / "data") as bench:
        voice = bench.ready_voice(name="before")
        earlier = bench.speech(voice, "Made before.")
        disk.fill(leave=leave * 1024)
        trained = bench.upload(spoken_wav(), name="during")
        spoken = bench.tts(voice, "A text that makes more than a few bytes of sound.")
        time.sleep(1)  # whatever fails for want of room does so now
        for answer in (trained, spoken):
            assert answer.status_code == 200 or (answer.status_code, answer.json()["code"]) == (507, "storage_full")
        assert bench.speech(voice, "Made before.") == earlier
        disk.make_room()
        expected = {voice} | ({trained.json()["data"]["voiceId"]} if trained.status_code == 200 else set())
        assert listed(bench, "device-1") == expected
        for voice_id in expected:
            assert bench.finished(voice_id)["status"] == "ready"
        bench.gateway.stop()
        bench.gateway.restart()
        bench.wait_until_ready()
        assert listed(bench, "device-1") == expected
        assert bench.speech(voice, "Made before.") == earlier
        assert_tidy(bench, expected)


@pytest.mark.slow
def test_another_database_costs_no_recording(tmp_path: Path) -> None:
    with voice_bench(tmp_path) as bench:
        voice = bench.ready_voice()
        upload = bench.data() / "voices" / voice / "upload"
        original = upload.read_bytes()
        bench.gateway.stop()
        own = bench.gateway.environment
        bench.gateway.environment = {
            **own,
            "TWINPORT_DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path / 'other.sqlite3'}",
        }
        bench.gateway.restart()
        assert listed(bench, "device-1") == set()
        assert upload.read_bytes() == original
        assert "the database does not name some voices" in bench.gateway.output()
        bench.gateway.stop()
        bench.gateway.environment = own
        bench.gateway.restart()
        bench.wait_until_ready()
        assert bench.speech(voice, "Here again.")[:4] == b"RIFF"


def test_space_is_kept_free(tmp_path: Path) -> None:
    reserve = shutil.disk_usage(tmp_path).free + 2**40
    with voice_bench(tmp_path, min_free_bytes=reserve) as bench:
        answer = bench.upload(spoken_wav())
        assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
        assert listed(bench, "device-1") == set()
