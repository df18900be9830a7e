"""The entries, used from outside the host with curl and ffprobe as a user would."""

from __future__ import annotations

import json
import subprocess
import time
import uuid
from pathlib import Path
from typing import Any

CONTAINERS = {"twinport-front", "cosyvoice-engine", "voice-gateway", "duix-avatar-gen-video", "video-gateway"}
KEY = "molecule-key-2"
MEDIA = Path(__file__).resolve().parents[3] / "roles/self_test/files"


def address_of(name: str) -> str:
    """A test host's address as this machine sees it; a host that restarts may get another one."""
    command = ["docker", "inspect", "--format", "{{.NetworkSettings.IPAddress}}", name]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def curl(*arguments: str, key: str = KEY) -> str:
    """Run curl with the API key and return what it prints; fails on an HTTP error."""
    command = ["curl", "--silent", "--show-error", "--fail-with-body", "--max-time", "120", "-H", f"X-API-Key: {key}"]
    return subprocess.run([*command, *arguments], check=True, capture_output=True, text=True, timeout=150).stdout


def status(url: str, key: str) -> int:
    """Return the HTTP status of a GET."""
    command = [
        "curl",
        "-s",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        "--max-time",
        "30",
        "-H",
        f"X-API-Key: {key}",
        url,
    ]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def until(seconds: float, look: Any) -> Any:
    """Call `look` once a second until it returns something; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while (found := look()) is None:
        assert time.monotonic() < deadline, "gave up waiting"
        time.sleep(1)
    return found


def probe(path: Path) -> dict[str, Any]:
    """What ffprobe says of a file."""
    command = ["ffprobe", "-v", "error", "-show_format", "-show_streams", "-of", "json", str(path)]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def peak(path: Path) -> float:
    """The loudest sample of a sound file as a part of full scale, told by sox."""
    told = subprocess.run(["sox", str(path), "-n", "stat"], check=True, capture_output=True, text=True).stderr
    (line,) = [line for line in told.splitlines() if line.startswith("Maximum amplitude")]
    return float(line.split(":")[1])


def register(address: str, device: str) -> str:
    """Register the sample voice for a device and return its id once it is ready."""
    entry = f"http://{address}:9090"
    audio = f"audio=@{MEDIA / 'reference.mp3'};filename=参考 音频.wav"
    form = ["-F", f"device_id={device}", "-F", "name=样本 voice", "-F", audio]
    voice = str(json.loads(curl(*form, f"{entry}/v1/voices/train"))["data"]["voiceId"])

    def ready() -> bool | None:
        state = json.loads(curl(f"{entry}/v1/voices/{voice}?device_id={device}"))["data"]
        assert state["status"] != "failed", state
        return state["status"] == "ready" or None

    until(60, ready)
    return voice


def speak(address: str, device: str, voice: str, text: str) -> str:
    """Have a text spoken and return the URL of the WAV."""
    body = json.dumps({"device_id": device, "voice_id": voice, "text": text})
    answer = json.loads(curl("-H", "Content-Type: application/json", "-d", body, f"http://{address}:9090/v1/tts"))
    return f"http://{address}:9090{answer['data']['audioUrl']}"


def submit(address: str, speech: Path) -> str:
    """Upload a speech and the sample clip, submit a task, and return its code."""
    entry, code = f"http://{address}:8383", str(uuid.uuid4())
    audio = json.loads(curl("-F", f"audio=@{speech};filename=audio_{code}.wav", f"{entry}/upload"))["audio_path"]
    clip = f"video=@{MEDIA / 'clip.mp4'};filename=avatar_{code}.mp4"
    video = json.loads(curl("-F", clip, f"{entry}/upload"))["video_path"]
    task = {"audio_url": audio, "video_url": video, "code": code, "chaofen": 0, "watermark_switch": 0, "pn": 1}
    answer = curl("-H", "Content-Type: application/json", "-d", json.dumps(task), f"{entry}/easy/submit")
    assert json.loads(answer)["code"] == 10000
    return code


def finished(address: str, code: str) -> None:
    """Wait until a task is done; fails where it fails."""

    def result() -> str | None:
        data = json.loads(curl(f"http://{address}:8383/easy/query?code={code}"))["data"]
        assert data["status"] in (1, 2), data
        return data["result"] or None

    until(180, result)
