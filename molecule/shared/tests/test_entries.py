"""Both entries, used from outside the host with curl and ffprobe as a user would."""

from __future__ import annotations

import json
import subprocess
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

KEY = "molecule-key-2"
MEDIA = Path(__file__).resolve().parents[3] / "roles/self_test/files"


@pytest.fixture(scope="module")
def address(host: Host) -> str:
    """The host's address as this machine sees it."""
    return str(host.backend.get_variables()["self_test_outside_address"])


def curl(*arguments: str, key: str = KEY) -> str:
    """Run curl with the API key and return what it prints; fails on an HTTP error."""
    command = ["curl", "--silent", "--show-error", "--fail-with-body", "--max-time", "120", "-H", f"X-API-Key: {key}"]
    return subprocess.run([*command, *arguments], check=True, capture_output=True, text=True, timeout=150).stdout


def status(url: str, key: str) -> int:
    """Return the HTTP status of a GET."""
    command = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "30", "-H", f"X-API-Key: {key}", url]
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


def speak(address: str, device: str, text: str, target: Path) -> None:
    """Register the sample voice for a device and have a text spoken into a file."""
    entry = f"http://{address}:9090"
    form = ["-F", f"device_id={device}", "-F", "name=样本 voice", "-F", f"audio=@{MEDIA / 'reference.mp3'};filename=参考 音频.wav"]
    voice = json.loads(curl(*form, f"{entry}/v1/voices/train"))["data"]["voiceId"]

    def ready() -> bool | None:
        state = json.loads(curl(f"{entry}/v1/voices/{voice}?device_id={device}"))["data"]
        assert state["status"] != "failed", state
        return state["status"] == "ready" or None

    until(60, ready)
    body = json.dumps({"device_id": device, "voice_id": voice, "text": text})
    answer = json.loads(curl("-H", "Content-Type: application/json", "-d", body, f"{entry}/v1/tts"))
    curl("-o", str(target), f"{entry}{answer['data']['audioUrl']}")


def test_the_two_self_tests_of_the_readme(address: str) -> None:
    json.loads(curl(f"http://{address}:8383/easy/query?code=test"))
    stored = json.loads(curl("-F", "audio=@/etc/hosts;filename=audio_test.wav", f"http://{address}:8383/upload"))
    assert stored["path"] == stored["audio_path"] == "/code/data/audio_test.wav"


def test_a_wrong_key_is_refused(address: str) -> None:
    assert status(f"http://{address}:9090/v1/voices?device_id=d", "wrong") == 401
    assert status(f"http://{address}:8383/easy/query?code=x", "wrong") == 401


@pytest.mark.parametrize("text", ["你好，世界，今天天气很好。", "Hello from the other side of the firewall."])
def test_voice_round_trip(address: str, tmp_path: Path, text: str) -> None:
    speech = tmp_path / "speech.wav"
    speak(address, f"molecule-{uuid.uuid4()}", text, speech)
    (stream,) = probe(speech)["streams"]
    assert stream["codec_name"] == "pcm_s16le"
    assert float(stream["duration"]) > 1
    assert peak(speech) > 0.02


def test_video_round_trip(address: str, tmp_path: Path) -> None:
    entry = f"http://{address}:8383"
    speech = tmp_path / "speech.wav"
    speak(address, f"molecule-{uuid.uuid4()}", "A video is made of this sentence, and it has its length.", speech)
    code = str(uuid.uuid4())
    audio = json.loads(curl("-F", f"audio=@{speech};filename=audio_{code}.wav", f"{entry}/upload"))["audio_path"]
    video = json.loads(curl("-F", f"video=@{MEDIA / 'clip.mp4'};filename=avatar_{code}.mp4", f"{entry}/upload"))["video_path"]
    task = {"audio_url": audio, "video_url": video, "code": code, "chaofen": 0, "watermark_switch": 0, "pn": 1}
    assert json.loads(curl("-H", "Content-Type: application/json", "-d", json.dumps(task), f"{entry}/easy/submit"))["code"] == 10000

    def finished() -> str | None:
        data = json.loads(curl(f"{entry}/easy/query?code={code}"))["data"]
        assert data["status"] in (1, 2), data
        return data["result"] or None

    until(120, finished)
    result = tmp_path / "result.mp4"
    curl("-o", str(result), f"{entry}/download?path=/{code}-r.mp4")
    seen = probe(result)
    assert {stream["codec_name"] for stream in seen["streams"]} == {"h264", "aac"}
    assert float(seen["format"]["duration"]) == pytest.approx(float(probe(speech)["format"]["duration"]), abs=0.5)
