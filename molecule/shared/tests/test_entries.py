"""Both entries do their work for somebody outside the host."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest
from entries import curl, finished, peak, probe, register, speak, status, submit
from testinfra.host import Host


def test_the_two_self_tests_of_the_readme(address: str) -> None:
    json.loads(curl(f"http://{address}:8383/easy/query?code=test"))
    stored = json.loads(curl("-F", "audio=@/etc/hosts;filename=audio_test.wav", f"http://{address}:8383/upload"))
    assert stored["path"] == stored["audio_path"] == "/code/data/audio_test.wav"


def test_the_proof_was_made_from_both_sides(host: Host) -> None:
    name = host.backend.get_variables()["inventory_hostname"]
    report = json.loads((Path(__file__).parents[3] / "reports" / f"{name}-verify.json").read_text(encoding="utf-8"))
    assert report["ok"]
    assert {"video_make", "voice_speech"} <= {check["name"] for check in report["checks"] if check["from"] == "host"}
    assert {"voice_alive", "video_alive"} <= {check["name"] for check in report["checks"] if check["from"] == "outside"}


def test_a_wrong_key_is_refused(address: str) -> None:
    assert status(f"http://{address}:9090/v1/voices?device_id=d", "wrong") == 401
    assert status(f"http://{address}:8383/easy/query?code=x", "wrong") == 401


@pytest.mark.parametrize("text", ["你好，世界，今天天气很好。", "Hello from the other side of the firewall."])
def test_voice_round_trip(address: str, tmp_path: Path, text: str) -> None:
    device, speech = f"molecule-{uuid.uuid4()}", tmp_path / "speech.wav"
    curl("-o", str(speech), speak(address, device, register(address, device), text))
    (stream,) = probe(speech)["streams"]
    assert stream["codec_name"] == "pcm_s16le"
    assert float(stream["duration"]) > 1
    assert peak(speech) > 0.02


def test_video_round_trip(address: str, tmp_path: Path) -> None:
    device, speech, video = f"molecule-{uuid.uuid4()}", tmp_path / "speech.wav", tmp_path / "video.mp4"
    text = "A video is made of this sentence, and it has its length."
    curl("-o", str(speech), speak(address, device, register(address, device), text))
    code = submit(address, speech)
    finished(address, code)
    curl("-o", str(video), f"http://{address}:8383/download?path=/{code}-r.mp4")
    seen = probe(video)
    assert {stream["codec_name"] for stream in seen["streams"]} == {"h264", "aac"}
    assert float(seen["format"]["duration"]) == pytest.approx(float(probe(speech)["format"]["duration"]), abs=0.5)
