"""The power fails at each sync: the voice entry starts on what is left of its disk and keeps what it acknowledged."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.power_loss import STEP, Promise, Recording, Restarted, Witness, broken_cuts, require_whole_database
from tests.support.power_loss.record import Recorder
from tests.support.voice import spoken_wav, voice_bench

DEVICE = {"device_id": "power"}
OTHER = {"device_id": "other"}
SECONDS = 30.0


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    folder = tmp_path_factory.mktemp("power").resolve()
    data = folder / "disk" / "voice_data"
    data.mkdir(parents=True)
    recorder = Recorder([data], folder / "log")
    with voice_bench(folder, data_dir=data, process_environment=recorder.environment) as bench:
        witness = Witness(recorder, bench.url)
        job(witness)
        bench.gateway.stop()
    # Nobody is there any more.
    settings = {"cosyvoice_url": bench.engine.url}
    return Recording("voice", {"data_dir": data}, recorder.events(), witness.promises, settings)


def job(witness: Witness) -> None:
    """Voices by form, in pieces and from an archive, speech, a new name, a deletion."""
    sound = spoken_wav()
    gone, promises = train(witness, sound + b"\0", "gone")
    promises.append(speak(witness, gone, "This goes with its voice."))
    kept, _ = train(witness, sound, "kept")
    speak(witness, kept, "The power is still on.")
    rename(witness, kept)
    witness.ends(*promises)
    delete(witness, gone)
    in_pieces(witness, sound + b"\0\0")
    archive = witness.ask("GET", f"/v1/voices/{kept}/export", params=DEVICE).content
    imported = witness.ask("POST", "/v1/voices/import", data=OTHER, files={"archive": ("a.zip", archive)})
    brought = imported.json()["data"]["voiceId"]
    witness.promised(imported, lambda entry: become_ready(entry, brought, OTHER))
    speak(witness, kept, "The last word.")


def train(witness: Witness, sound: bytes, name: str) -> tuple[str, list[Promise]]:
    form = {**DEVICE, "name": name}
    answer = witness.ask("POST", "/v1/voices/train", data=form, files={"audio": ("a.wav", sound)})
    voice = str(answer.json()["data"]["voiceId"])
    promises = [
        witness.promised(answer, lambda entry: become_ready(entry, voice, DEVICE)),
        witness.promised(answer, lambda entry: require_upload(entry, voice, sound)),
    ]
    while (seen := witness.ask("GET", f"/v1/voices/{voice}", params=DEVICE)).json()["data"]["status"] != "ready":
        time.sleep(0.02)
    reference = witness.ask("GET", f"/v1/voices/{voice}/audio", params=DEVICE).content
    promises.append(witness.promised(seen, lambda entry: require_reference(entry, voice, reference)))
    return voice, promises


def speak(witness: Witness, voice: str, text: str) -> Promise:
    answer = witness.ask("POST", "/v1/tts", json={**DEVICE, "voice_id": voice, "text": text})
    url = answer.json()["data"]["audioUrl"]
    sound = witness.ask("GET", url).content

    def kept(entry: Restarted) -> None:
        assert entry.get(url).content == sound

    return witness.promised(answer, kept)


def rename(witness: Witness, voice: str) -> None:
    answer = witness.ask("PATCH", f"/v1/voices/{voice}", json={**DEVICE, "name": "new"})

    def kept(entry: Restarted) -> None:
        assert entry.get(f"/v1/voices/{voice}", params=DEVICE).json()["data"]["name"] == "new"

    witness.promised(answer, kept)


def delete(witness: Witness, voice: str) -> None:
    answer = witness.ask("DELETE", f"/v1/voices/{voice}", params=DEVICE)

    def stays_away(entry: Restarted) -> None:
        assert entry.get(f"/v1/voices/{voice}", params=DEVICE).status_code == 404
        assert not (entry.folder("data_dir") / "voices" / voice).exists()

    witness.promised(answer, stays_away)


def in_pieces(witness: Witness, sound: bytes) -> None:
    """A voice by a resumable upload."""
    fields = {**DEVICE, "name": "pieces", "filename": "a.wav"}
    place, answer = witness.upload_in_pieces("/v1/voices/train/resumable", sound, fields)
    voice = witness.ask("GET", place).json()["answer"]["data"]["voiceId"]
    witness.promised(answer, lambda entry: become_ready(entry, voice, DEVICE))
    witness.promised(answer, lambda entry: require_upload(entry, voice, sound))


def become_ready(entry: Restarted, voice: str, device: dict[str, str]) -> None:
    deadline = time.monotonic() + SECONDS
    while (status := entry.get(f"/v1/voices/{voice}", params=device).json()["data"]["status"]) != "ready":
        assert status != "failed"
        assert time.monotonic() < deadline
        time.sleep(0.02)


def require_upload(entry: Restarted, voice: str, sound: bytes) -> None:
    assert (entry.folder("data_dir") / "voices" / voice / "upload").read_bytes() == sound


def require_reference(entry: Restarted, voice: str, reference: bytes) -> None:
    assert entry.get(f"/v1/voices/{voice}", params=DEVICE).json()["data"]["status"] == "ready"
    assert entry.get(f"/v1/voices/{voice}/audio", params=DEVICE).content == reference


def require_tidy(entry: Restarted) -> None:
    """Whatever is listed works, acknowledged or not; nothing half-made is there."""
    for device in (DEVICE, OTHER):
        for voice in entry.get("/v1/voices", params=device).json()["data"]:
            become_ready(entry, voice["id"], device)
    data = entry.folder("data_dir")
    require_whole_database(data)
    with closing(sqlite3.connect(f"file:{data / 'gateway.sqlite3'}?mode=ro", uri=True)) as connection:
        speech = connection.execute("SELECT token || '.' || audio_format, bytes FROM speech").fetchall()
        voices = connection.execute("SELECT id FROM voices").fetchall()
    deadline = time.monotonic() + SECONDS
    while {path.name: path.stat().st_size for path in (data / "files").iterdir()} != dict(speech):
        assert time.monotonic() < deadline, "files of speech do not agree with the database"
        time.sleep(0.05)
    assert {path.name for path in (data / "voices").iterdir()} == {row[0] for row in voices}
    assert list((data / "incoming").iterdir()) == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_each_power_cut(recording: Recording, tmp_path: Path) -> None:
    broken = broken_cuts(recording, recording.cuts(STEP), tmp_path, require_tidy)
    assert not broken, "\n".join(broken)
