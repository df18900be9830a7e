"""The voice entry for tests: recordings to train from, a gateway with its engine, and the client's own steps."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import requests

from tests.support.engine import Engine, running_engine
from tests.support.servers import Server, running_gateway

SPOKEN = (
    "The quick brown fox jumps over the lazy dog. A good reference has several seconds of clear speech, "
    "without music and without other voices. This is such a recording."
)
SECONDS = 60.0


@cache
def spoken_wav(text: str = SPOKEN) -> bytes:
    """A recording of a person, as far as a machine can be one: 22 050 Hz mono, about ten seconds."""
    return subprocess.run(["espeak-ng", "-v", "en", "--stdout", text], check=True, capture_output=True).stdout


def converted(recording: bytes, *arguments: str) -> bytes:
    """A recording through ffmpeg; the arguments end with the format, such as ``-f mp3``."""
    command = ["ffmpeg", "-nostdin", "-v", "error", "-i", "pipe:0", *arguments, "pipe:1"]
    return subprocess.run(command, input=recording, check=True, capture_output=True).stdout


@dataclass
class VoiceBench:
    """A voice gateway and the engine behind it."""

    gateway: Server
    engine: Engine

    @property
    def url(self) -> str:
        return self.gateway.url

    def wait_until_ready(self) -> VoiceBench:
        """Wait until synthesis can work."""
        deadline = time.monotonic() + SECONDS
        while requests.get(self.url + "/ready", timeout=10).status_code != 200:
            assert time.monotonic() < deadline, self.gateway.output()
            time.sleep(0.05)
        return self

    def upload(
        self, recording: bytes, *, device: str = "device-1", name: str = "Anna", **more: str
    ) -> requests.Response:
        """Train, and give back the plain answer."""
        return requests.post(
            self.url + "/v1/voices/train",
            data={"device_id": device, "name": name, **more},
            files={"audio": ("recording.wav", recording)},
            timeout=SECONDS,
        )

    def voice(self, voice_id: str, *, device: str = "device-1") -> dict[str, Any]:
        answer = requests.get(f"{self.url}/v1/voices/{voice_id}", params={"device_id": device}, timeout=10)
        assert answer.status_code == 200, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    def finished(self, voice_id: str, *, device: str = "device-1") -> dict[str, Any]:
        """Poll as the client does, until the voice is ready or has failed."""
        deadline = time.monotonic() + SECONDS
        while (voice := self.voice(voice_id, device=device))["status"] not in ("ready", "failed"):
            assert time.monotonic() < deadline, voice
            time.sleep(0.03)
        return voice

    def train(self, recording: bytes, *, device: str = "device-1", name: str = "Anna", **more: str) -> dict[str, Any]:
        """Train, and wait for the end of it."""
        answer = self.upload(recording, device=device, name=name, **more)
        assert answer.status_code == 200, answer.text
        return self.finished(answer.json()["data"]["voiceId"], device=device)

    def ready_voice(self, **more: str) -> str:
        """The id of a voice that can speak."""
        voice = self.train(spoken_wav(), **more)
        assert voice["status"] == "ready", voice
        return str(voice["id"])

    def tts(self, voice_id: str, text: str, *, device: str = "device-1", **more: Any) -> requests.Response:
        """Ask for speech, once."""
        body = {"device_id": device, "voice_id": voice_id, "text": text, **more}
        return requests.post(self.url + "/v1/tts", json=body, timeout=SECONDS * 2)

    def speech(self, voice_id: str, text: str, **more: Any) -> bytes:
        """The file that a text was spoken into."""
        answer = self.tts(voice_id, text, **more)
        assert answer.status_code == 200, answer.text
        file = requests.get(self.url + answer.json()["data"]["audioUrl"], timeout=SECONDS)
        assert file.status_code == 200, file.text
        return file.content

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        lines = requests.get(self.url + "/metrics", timeout=10).text.splitlines()
        samples = [line.rsplit(" ", 1) for line in lines if line.split("{")[0].split(" ")[0] == name]
        return sum(float(value) for _, value in samples)

    def data(self) -> Path:
        """The gateway's data folder."""
        return Path(self.gateway.environment["TWINPORT_DATA_DIR"])


@contextmanager
def voice_bench(
    folder: Path, *, engine: dict[str, Any] | None = None, ready: bool = True, **settings: Any
) -> Iterator[VoiceBench]:
    """A gateway with a preview engine of its own.

    Args:
        folder: where data and logs go.
        engine: switches of the engine, see ``running_engine``.
        ready: wait until synthesis can work.
        settings: the gateway's, by their lower-case names.
    """
    switches = {"preview_free": 1} if engine is None else engine
    # An engine that speaks without effort gives the same short tone for every text.
    quick = {"engine_poll_interval": 0.1, "min_free_bytes": 0, "speech_length_check": "preview_free" not in switches}
    with (
        running_engine(folder / "engine", wait=ready, **switches) as running,
        running_gateway("voice", folder, cosyvoice_url=running.url, **{**quick, **settings}) as gateway,
    ):
        bench = VoiceBench(gateway, running)
        yield bench.wait_until_ready() if ready else bench
