"""A host that restarts comes back by itself, with everything that was acknowledged before."""

from __future__ import annotations

import json
import subprocess
import uuid
from pathlib import Path

from entries import address_of, curl, finished, probe, register, speak, status, submit, until
from testinfra.host import Host


def test_both_entries_come_back_with_voices_files_and_tasks(host: Host, address: str, tmp_path: Path) -> None:
    device, speech = f"molecule-{uuid.uuid4()}", tmp_path / "speech.wav"
    voice = register(address, device)
    url = speak(address, device, voice, "This was said before the host went down.")
    curl("-o", str(speech), url)
    code = submit(address, speech)

    name = str(host.backend.get_variables()["inventory_hostname"])
    subprocess.run(["docker", "restart", "--time", "60", name], check=True, capture_output=True, timeout=120)
    url = url.replace(address, address_of(name))
    address = address_of(name)
    until(120, lambda: all(ready(address, port) for port in (8383, 9090)) or None)

    listed = json.loads(curl(f"http://{address}:9090/v1/voices?device_id={device}"))["data"]
    assert [entry["id"] for entry in listed] == [voice]
    again = tmp_path / "again.wav"
    curl("-o", str(again), url)
    assert again.read_bytes() == speech.read_bytes()
    curl("-o", str(again), speak(address, device, voice, "And this was said after it."))
    finished(address, code)
    video = tmp_path / "video.mp4"
    curl("-o", str(video), f"http://{address}:8383/download?path=/{code}-r.mp4")
    assert float(probe(video)["format"]["duration"]) > 1


def ready(address: str, port: int) -> bool:
    """Tell whether an entry can do its work."""
    try:
        return status(f"http://{address}:{port}/ready", "molecule-key-1") == 200
    except subprocess.CalledProcessError:
        return False
