"""The system has no process, memory or pipe for a decoder, once or for a while: the work waits, and is done."""

from __future__ import annotations

import errno
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from tests.support.faults import EVERY, Faults
from tests.support.video import VideoBench, video_bench
from tests.support.voice import VoiceBench, spoken_wav, voice_bench

CASES = [
    ("fork", errno.EAGAIN),
    ("fork", errno.ENOMEM),
    ("execvp", errno.ENOMEM),
    ("execvp", errno.EAGAIN),
    ("pipe2", errno.EMFILE),
    ("pipe2", errno.ENFILE),
]
if not EVERY:
    CASES = CASES[::5]


@pytest.fixture(scope="module")
def voice(faults: Faults, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VoiceBench]:
    folder = tmp_path_factory.mktemp("voice")
    with voice_bench(folder, process_environment=faults.environment, max_voices_per_device=1000) as made:
        yield made


@pytest.fixture(scope="module")
def video(faults: Faults, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VideoBench]:
    with video_bench(tmp_path_factory.mktemp("video"), process_environment=faults.environment) as made:
        yield made


@pytest.mark.slow
@pytest.mark.parametrize(("call", "error"), CASES)
def test_training(voice: VoiceBench, faults: Faults, call: str, error: int) -> None:
    for at in (1, 2, 3):
        with faults.nth(at, error, only=call):
            trained = voice.train(spoken_wav(), name=f"{call}-{error}-{at}")
            assert trained["status"] == "ready", trained
        if not faults.fired:
            break


@pytest.mark.slow
@pytest.mark.parametrize(("call", "error"), CASES)
def test_a_video(video: VideoBench, faults: Faults, clip: Path, speech: Path, call: str, error: int) -> None:
    client = video.client
    audio, picture = client.upload("audio", speech), client.upload("video", clip)
    for at in (1, 2, 3, 4) if EVERY else (1, 4):
        with faults.nth(at, error, only=call):
            code = client.submit(audio, picture)
            assert client.outcome(code)["status"] == 2, f"{call} {at}"
            assert video.renders(code) == 1
        if not faults.fired:
            break


@pytest.mark.slow
def test_a_host_without_processes_for_a_while(
    voice: VoiceBench, video: VideoBench, faults: Faults, clip: Path, speech: Path
) -> None:
    client = video.client
    audio, picture = client.upload("audio", speech), client.upload("video", clip)
    with faults.nth(1, errno.EAGAIN, times=1_000_000, only="fork"):
        answer = voice.upload(spoken_wav(), name="patient")
        assert answer.status_code == 200
        code = client.submit(audio, picture)
        time.sleep(4)
        assert client.query(code)["data"]["status"] == 1
        assert voice.voice(answer.json()["data"]["voiceId"])["status"] in ("pending", "training")
    assert client.outcome(code)["status"] == 2
    assert voice.finished(answer.json()["data"]["voiceId"])["status"] == "ready"


class OutOfMemory(threading.Thread):
    """Ends every decoder of a process as the kernel does where memory runs out."""

    def __init__(self, pid: int) -> None:
        super().__init__()
        self._pid = pid
        self.killed = 0
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.002):
            for child in self._children():
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
                    self.killed += 1

    def _children(self) -> list[int]:
        children = Path(f"/proc/{self._pid}/task/{self._pid}/children").read_text()
        return [int(child) for child in children.split()]


@pytest.mark.slow
def test_a_decoder_that_runs_out_of_memory_fails_no_voice(voice: VoiceBench) -> None:
    killer = OutOfMemory(voice.gateway.pid)
    killer.start()
    try:
        answer = voice.upload(spoken_wav(), name="starved")
        deadline = time.monotonic() + 60
        while killer.killed < 4:  # more than a sandbox tries at once
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(1)
        assert voice.voice(answer.json()["data"]["voiceId"])["status"] in ("pending", "training")
    finally:
        killer.over.set()
        killer.join()
    assert voice.finished(answer.json()["data"]["voiceId"])["status"] == "ready"


@pytest.mark.slow
def test_a_decoder_that_runs_out_of_memory_fails_no_video(video: VideoBench, clip: Path, speech: Path) -> None:
    client = video.client
    audio, picture = client.upload("audio", speech), client.upload("video", clip)
    killer = OutOfMemory(video.gateway.pid)
    killer.start()
    try:
        code = client.submit(audio, picture)
        deadline = time.monotonic() + 60
        while killer.killed < 4:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        # Others are served meanwhile.
        assert requests.get(client.url + "/health", timeout=10).status_code == 200
        assert client.query(code)["data"]["status"] == 1
    finally:
        killer.over.set()
        killer.join()
    assert client.outcome(code)["status"] == 2
