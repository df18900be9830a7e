"""The CosyVoice engine for tests: its server module, running preview engines, and references to speak from."""

from __future__ import annotations

import contextlib
import http.client
import io
import sys
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import requests

from tests.support.servers import ROOT, Server, free_port

PATCH = ROOT / "engine_patch"


class _OldConnection(http.client.HTTPConnection):
    _http_vsn = 10
    _http_vsn_str = "HTTP/1.0"


class Engine(Server):
    """A running preview engine with folders of its own."""

    @property
    def temporary(self) -> Path:
        """Where the server may write while it works; empty when it does not."""
        return self.log.parent / "tmp"

    @property
    def voices_folder(self) -> Path:
        return self.log.parent / "cache" / "twinport_voices"

    def health(self) -> dict[str, Any]:
        answer: dict[str, Any] = requests.get(self.url + "/health", timeout=10).json()
        return answer

    def wait_for(self, condition: Callable[[dict[str, Any]], bool], seconds: float = 30) -> dict[str, Any]:
        """The first health that meets `condition`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            health = self.health()
            if condition(health):
                return health
            time.sleep(0.02)
        raise AssertionError(f"never so within {seconds} s: {self.health()}\n{self.output()}")

    def wait_until_ready(self, seconds: float = 30) -> Engine:
        self.wait_for(lambda health: health["state"] == "ready", seconds)
        return self

    def wait_until_clean(self, seconds: float = 10) -> None:
        """Wait until the temporary folder is empty."""
        deadline = time.monotonic() + seconds
        while list(self.temporary.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert list(self.temporary.iterdir()) == []

    def speak(self, mode: str, *, wav: bytes | None = None, method: str = "POST", **fields: Any) -> requests.Response:
        """One request to `/inference_<mode>`; as multipart where a reference goes along."""
        files = {"prompt_wav": ("prompt.wav", wav, "application/octet-stream")} if wav is not None else None
        return requests.request(method, f"{self.url}/inference_{mode}", data=fields, files=files, timeout=60)

    def speak_http_1_0(self, **fields: str) -> tuple[int, str | None, bytes]:
        """Status, declared length and body of an `/inference_sft` over HTTP/1.0."""
        with contextlib.closing(_OldConnection("127.0.0.1", self.port, timeout=30)) as connection:
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            connection.request("POST", "/inference_sft", urlencode(fields), form)
            answer = connection.getresponse()
            return answer.status, answer.headers["Content-Length"], answer.read()

    def register(self, wav: bytes, **fields: Any) -> requests.Response:
        return requests.post(f"{self.url}/voices", data=fields, files={"prompt_wav": ("v.wav", wav)}, timeout=60)


@contextmanager
def running_engine(
    folder: Path, *, wait: bool = True, python: str = sys.executable, **switches: Any
) -> Iterator[Engine]:
    """A preview engine on a free port.

    Args:
        folder: where its log, cache and temporary files go; a second engine there finds the first one's.
        wait: until it is ready, not only until it listens.
        python: the interpreter.
        switches: `preview_…` for the stand-in, anything else is a setting of the server.
    """
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    environment = {
        "TMPDIR": str(folder / "tmp"),
        "MODELSCOPE_CACHE": str(folder / "cache"),
        "COSYVOICE_HOST": "127.0.0.1",
    }
    for name, value in switches.items():
        stand_in, _, switch = name.partition("preview_")
        environment[f"PREVIEW_COSYVOICE_{switch.upper()}" if not stand_in else f"COSYVOICE_{name.upper()}"] = str(value)
    port = free_port()
    command = [python, "-m", "preview", "cosyvoice", "--port", str(port)]
    engine = Engine("engine", command, environment, port, folder / "engine.log", "/health")
    try:
        engine.start()
        yield engine.wait_until_ready() if wait else engine
    finally:
        engine.kill()


def reference(pitch: float = 150.0, seconds: float = 4.0, rate: int = 16000, channels: int = 1) -> bytes:
    """A WAV of a buzzing voice-like sound: harmonics of `pitch` Hz in bursts of a syllable's length."""
    time_axis = np.arange(int(seconds * rate)) / rate
    sound = sum(np.sin(2 * np.pi * pitch * number * time_axis) / number for number in range(1, 8))
    sound = np.asarray(sound) * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * time_axis)) * 0.2
    return wav_of(np.repeat(sound[:, None], channels, axis=1), rate)


def wav_of(samples: Any, rate: int) -> bytes:
    """Float samples of shape (frames, channels) as a 16-bit WAV."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return buffer.getvalue()


def samples_of(pcm: bytes) -> Any:
    return np.frombuffer(pcm, dtype="<i2")


def pitch_of(pcm: bytes, rate: int) -> float:
    """The commonest pitch in Hz of speech, by autocorrelation over its loud frames."""
    sound = samples_of(pcm).astype(float)
    size = rate // 20
    frames = sound[: len(sound) // size * size].reshape(-1, size)
    energy = np.square(frames).sum(axis=1)
    pitches = []
    for frame in frames[energy > np.median(energy)]:
        correlation = np.correlate(frame, frame, "full")[size - 1 :]
        shortest, longest = rate // 450, rate // 60
        pitches.append(rate / (shortest + int(np.argmax(correlation[shortest:longest]))))
    return float(np.median(pitches))
