"""The video entry for tests: clips and speech to send, a running engine and gateway, and the client's own loop."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from tests.support.servers import Server, free_port, running_gateway

SECONDS = 90.0


H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")


def ffmpeg(*arguments: str | Path) -> None:
    """Run ffmpeg; a failure is the test's."""
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", *map(str, arguments)], check=True)


def portrait(path: Path, filters: str) -> Path:
    """A second of a real face, behind some of ffmpeg's filters."""
    picture = Path(__file__).parent / "pictures" / "astronaut.jpg"
    ffmpeg("-loop", "1", "-framerate", "25", "-i", picture, "-t", "1", "-vf", filters, *H264, path)
    return path


def make_clip(path: Path, *, seconds: float = 1.0, size: str = "160x120", options: tuple[str, ...] = ()) -> Path:
    """A moving test picture; without options as the engine likes it."""
    ffmpeg("-f", "lavfi", "-i", f"testsrc=d={seconds}:s={size}:r=25", *(options or H264), path)
    return path


def make_speech(path: Path, *, seconds: float = 1.0, rate: int = 16000) -> Path:
    """A tone in place of speech, in the format that the name's ending says."""
    ffmpeg("-f", "lavfi", "-i", f"sine=d={seconds}:r={rate}", path)
    return path


def facts(path: Path, *, stream: str = "") -> dict[str, Any]:
    """What ffprobe says of a file, independently of the gateway's own code."""
    select = ["-select_streams", stream] if stream else []
    command = ["ffprobe", "-v", "error", *select, "-show_format", "-show_streams", "-of", "json", str(path)]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return found


def require_good_video(path: Path, *, seconds: float) -> None:
    """The file opens, has picture and sound, and the audio's length."""
    found = facts(path)
    assert sorted(stream["codec_type"] for stream in found["streams"]) == ["audio", "video"]
    assert abs(float(found["format"]["duration"]) - seconds) < 0.6
    subprocess.run(["ffmpeg", "-v", "error", "-xerror", "-i", str(path), "-f", "null", "-"], check=True)


class DuixServer(Server):
    """The stand-in engine; an engine that says nothing is up as soon as its port is open."""

    def wait_until_up(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert self.process is not None
            with socket.socket() as probe:
                listens = probe.connect_ex(("127.0.0.1", self.port)) == 0
            if self.process.poll() is not None:
                raise AssertionError(f"engine ended with {self.process.returncode}:\n{self.output()}")
            if listens:
                return
            time.sleep(0.05)
        raise AssertionError(f"engine does not listen:\n{self.output()}")


def duix(folder: Path, media: Path, *arguments: str, port: int = 0) -> DuixServer:
    """A stand-in engine, not started yet; ``port`` 0: on a free one."""
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    command = [sys.executable, "-m", "preview", "duix", "--host", "127.0.0.1", "--port", str(port)]
    return DuixServer("duix", [*command, "--data-dir", str(media), *arguments], {}, port, folder / "duix.log", "/")


def start_again(engine: DuixServer, *arguments: str) -> None:
    """Start the engine on the same port and folder, with these switches in place of its fault."""
    command = list(engine.command)
    for switch in ("--fault", "--fault-tasks"):
        if switch in command:
            position = command.index(switch)
            del command[position : position + 2]
    engine.command = [*command, *arguments]
    engine.start()


@dataclass
class Client:
    """Speaks to the entry as the desktop client does."""

    url: str
    headers: dict[str, str] = field(default_factory=dict)

    def upload(self, field_name: str, path: Path, name: str | None = None) -> str:
        with path.open("rb") as file:
            answer = requests.post(
                self.url + "/upload", files={field_name: (name or path.name, file)}, headers=self.headers, timeout=60
            )
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert body["path"] == body[f"{field_name}_path"]
        return str(body["path"])

    def submit(self, audio: str, video: str, code: str | None = None, **more: Any) -> str:
        code = code or str(uuid.uuid4())
        request = {"audio_url": audio, "video_url": video, "code": code, "chaofen": 0, "watermark_switch": 0, "pn": 1}
        answer = requests.post(self.url + "/easy/submit", json={**request, **more}, headers=self.headers, timeout=30)
        assert answer.json()["code"] in (0, 200, 10000), answer.text
        return code

    def query(self, code: str, **headers: str) -> dict[str, Any]:
        answer = requests.get(
            self.url + "/easy/query", params={"code": code}, headers={**self.headers, **headers}, timeout=30
        )
        assert answer.status_code == 200
        body: dict[str, Any] = answer.json()
        return body

    def outcome(self, code: str, seconds: float = SECONDS) -> dict[str, Any]:
        """Poll as the client does, with its traps: any result is "finished", 100 % too, -1 is a failure."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            body = self.query(code)
            data: dict[str, Any] = body["data"]
            assert body["code"] == 10000, body
            if data["result"] or data["status"] == 2 or data["progress"] >= 100:
                assert (data["status"], data["progress"]) == (2, 100)
                assert data["result"] == f"/{code}-r.mp4"
                return data
            if data["status"] == 3:
                assert data["msg"], "a failure must tell why"
                return data
            assert data["status"] == 1
            time.sleep(0.1)
        raise AssertionError(f"{code} did not end within {seconds:.0f} s: {self.query(code)}")

    def download(self, path: str, target: Path, **headers: str) -> requests.Response:
        answer = requests.get(
            self.url + "/download", params={"path": path}, headers={**self.headers, **headers}, timeout=60
        )
        target.write_bytes(answer.content)
        return answer


@dataclass
class VideoBench:
    """An entry with one engine behind it."""

    folder: Path
    media: Path
    engine: DuixServer
    gateway: Server
    client: Client

    def wait_until_ready(self) -> VideoBench:
        """Wait until an engine can work."""
        deadline = time.monotonic() + 60
        while requests.get(self.client.url + "/ready", timeout=10).status_code != 200:
            assert time.monotonic() < deadline, self.gateway.output()
            time.sleep(0.05)
        return self

    def renders(self, code: str) -> int:
        """How often the engine was given a task, its second attempts included."""
        return sum(
            line.endswith("-> accepted") and (f"[{code}]" in line or f"[{code}." in line)
            for line in self.engine.output().splitlines()
        )


@contextmanager
def video_bench(folder: Path, *switches: str, start_engine: bool = True, **settings: object) -> Iterator[VideoBench]:
    """A gateway in front of one stand-in engine.

    Args:
        folder: for data, media and logs.
        switches: the engine's command-line switches.
        start_engine: whether the engine runs from the start.
        settings: the gateway's settings by their lower-case names.
    """
    media = Path(str(settings.pop("media_dir", folder / "media")))
    media.mkdir(parents=True, exist_ok=True)
    engine = duix(folder, media, *switches)
    known = {"media_dir": media, "duix_url": engine.url, "engine_poll_interval": 0.1, "engine_warm_up": 0}
    try:
        if start_engine:
            engine.start()
        with running_gateway("video", folder, **{**known, **settings}) as gateway:
            yield VideoBench(folder, media, engine, gateway, Client(gateway.url))
    finally:
        if engine.process is not None:
            engine.kill()


def memory_mib(pid: int, name: str = "VmRSS") -> float:
    """A process's resident memory in MiB: `VmRSS` now, `VmHWM` at its most."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) / 1024
    raise AssertionError(f"no {name}")
