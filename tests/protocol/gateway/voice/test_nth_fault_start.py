"""Each system call of the voice entry's start fails once: it starts, or ends and says why, and the next one works."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support.faults import Faults, Sweep, failed_starts, sweeps
from tests.support.forked import ForkedServer, forked_entry, forking
from tests.support.voice import VoiceBench, spoken_wav, voice_bench


@pytest.fixture(scope="module")
def server(faults: Faults, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkedServer]:
    folder = tmp_path_factory.mktemp("bench")
    with forking(faults.environment) as parent:
        settings = {"data_dir": faults.folder / "data", "cosyvoice_url": "http://127.0.0.1:1"}
        yield forked_entry(parent, "voice", folder / "voice.log", settings)


@pytest.fixture(scope="module")
def stored(server: ForkedServer, faults: Faults, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A ready voice, one whose preparation was cut off, and a file of speech."""
    folder = tmp_path_factory.mktemp("before")
    with voice_bench(folder, data_dir=faults.folder / "data") as bench:
        voice = bench.ready_voice()
        speech = bench.tts(voice, "Before the faults.").json()["data"]["audioUrl"]
    return {"voice": voice, "speech": speech}


def require_stored(server: ForkedServer, stored: dict[str, str]) -> None:
    bench = VoiceBench(server, None)  # type: ignore[arg-type]
    assert bench.finished(stored["voice"])["status"] == "ready"
    file = requests.get(server.url + stored["speech"], timeout=10)
    assert (file.status_code, file.content[:4]) == (200, b"RIFF")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("sweep", sweeps(step=25), ids=str)
def test_start(server: ForkedServer, faults: Faults, stored: dict[str, str], sweep: Sweep) -> None:
    for at in failed_starts(server, faults, sweep):
        server.start()
        require_stored(server, stored)
        # It cleans up behind an interrupted upload.
        (faults.folder / "data" / "incoming" / f".{at}.part").write_bytes(b"cut")
        server.kill()


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("sweep", sweeps(step=31), ids=str)
def test_first_start(faults: Faults, server: ForkedServer, tmp_path: Path, sweep: Sweep) -> None:
    """The database is created and migrated."""
    data = faults.folder / "first"
    settings = {"data_dir": data, "cosyvoice_url": "http://127.0.0.1:1"}
    first = forked_entry(server.parent, "voice", tmp_path / "voice.log", settings)
    for at in failed_starts(first, faults, sweep, fresh=data):
        first.start()
        answer = VoiceBench(first, None).upload(spoken_wav(), name=str(at))  # type: ignore[arg-type]
        assert answer.status_code == 200, answer.text
        first.kill()
