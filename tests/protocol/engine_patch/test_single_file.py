"""`make engine-server`: one file that replaces the server of a container that was started by hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import broken_engines as engines
from tests.support.engine import PATCH
from tests.support.hand_run import Lab, docker, wait_for
from tests.support.images import python_image

SOURCE = "/opt/CosyVoice/CosyVoice"
PACKAGE = """
class CosyVoice:
    sample_rate = 22050

    def __init__(self, model_dir):
        assert model_dir == "/srv/model"

    def list_available_spks(self):
        return ["anna"]

    def inference_sft(self, tts_text, spk_id, stream=False, speed=1.0, text_frontend=True):
        import numpy
        yield {"tts_speech": numpy.full((1, len(tts_text)), 0.5)}

    def inference_zero_shot(self, tts_text, prompt_text, prompt_wav, stream=False):
        yield from ()
"""


@pytest.fixture(scope="module")
def single_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("dist") / "made" / "server.py"
    subprocess.run([sys.executable, PATCH / "single_file.py", target], check=True)
    return target


def test_the_same_sources_give_the_same_bytes(single_file: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    for path in PATCH.rglob("*.py"):
        place = copy / path.relative_to(PATCH)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(path.read_bytes())
        place.chmod(0o600)
        os.utime(place, (10**9, 10**9))
    again = tmp_path / "server.py"
    subprocess.run([sys.executable, copy / "single_file.py", again], check=True)
    assert again.read_bytes() == single_file.read_bytes()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """An image laid out like CosyVoice's, with a server that is broken, on a Docker engine of this machine."""
    subprocess.run([sys.executable, "-m", "test_host", "engine"], check=True)
    image = f"single-file-test:{uuid.uuid4().hex[:8]}"
    files = {
        engines.SERVER: engines.BROKEN_SERVER,
        f"{SOURCE}/cosyvoice/cli/cosyvoice.py": PACKAGE,
        f"{SOURCE}/third_party/Matcha-TTS/matcha/__init__.py": "",
        "/srv/model/cosyvoice.yaml": "",
    }
    python_image(image, files)
    laboratory = Lab(image, tmp_path)
    yield laboratory
    laboratory.clean()
    docker("rmi", "--force", image, check=False)


@pytest.mark.slow
def test_two_commands_replace_the_server_of_a_container(lab: Lab, single_file: Path) -> None:
    # What the engine's image has besides CosyVoice: this machine's Python and packages.
    packages = sysconfig.get_path("purelib")
    shared = [option for path in {"/usr", sys.base_prefix, packages} for option in ("--volume", f"{path}:{path}:ro")]
    command = f"cd {Path(engines.SERVER).parent} && exec python3 server.py --port 50000 --model_dir /srv/model"
    name = lab.start("cosyvoice", *shared, "--env", f"PYTHONPATH={packages}", command=command)
    assert lab.post(name, 50000, "/inference_sft") == b""

    docker("cp", str(single_file), f"{name}:{engines.SERVER}")
    docker("restart", "--time", "1", name)

    ask = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:50000{}', {}, 10).read().hex())"
    wait_for(lambda: docker("exec", name, "python3", "-c", ask.format("/ready", None), check=False))
    form = repr(b"tts_text=hello&spk_id=anna")
    speech = bytes.fromhex(docker("exec", name, "python3", "-c", ask.format("/inference_sft", form)))
    assert speech == b"\x00\x40" * len("hello")
    health = json.loads(bytes.fromhex(docker("exec", name, "python3", "-c", ask.format("/health", None))))
    assert (health["state"], health["model"], health["speakers"]) == ("ready", "/srv/model", ["anna"])
