"""The checks at the end of the engine image's build, on stand-ins for the packages that it installs."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers import ROOT

PROGRAM = ROOT / "roles" / "cosyvoice" / "files" / "check_image.py"
PROVIDER = "onnxruntime/capi/libonnxruntime_providers_cuda.so"
READS_NUMBERS = (
    "class Normalizer:\n    def __init__(self, **_): ...\n    def normalize(self, text): return '百分之三点五'\n"
)
GOOD = {
    "torch/__init__.py": "",
    "torch/version.py": "cuda = '12.1'\n",
    "onnxruntime/__init__.py": "raise RuntimeError('no GPU here')\n",
    PROVIDER: "\0libcublas.so.12\0libcudnn.so.8\0",
    "wetext/__init__.py": READS_NUMBERS,
    "matcha/__init__.py": "",
    "cosyvoice/cli/cosyvoice.py": "",
}


def check(folder: Path, **changed: str | None) -> subprocess.CompletedProcess[str]:
    """Run the program for CUDA 12.1 on the packages; None: not installed."""
    for name, content in {**GOOD, **changed}.items():
        if content is not None:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(content)
    # Not those of the test's own environment: -S leaves only what the path names.
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(
        [sys.executable, "-S", str(PROGRAM), "12.1"], env=environment, capture_output=True, text=True, check=False
    )


def test_a_good_image_passes(tmp_path: Path) -> None:
    done = check(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"torch/version.py": "cuda = '12.6'\n"}, "cosyvoice_torch_index_url"),
        ({"torch/version.py": "cuda = None\n"}, "cosyvoice_torch_index_url"),
        ({PROVIDER: "\0libcublas.so.11\0"}, "cosyvoice_onnxruntime_index_url"),
        ({PROVIDER: "\0libcublas.so.120\0"}, "cosyvoice_onnxruntime_index_url"),
        ({PROVIDER: None}, "onnxruntime-gpu is not what was installed"),
        ({PROVIDER: None, "onnxruntime/__init__.py": None}, "onnxruntime-gpu is not what was installed"),
        ({"wetext/__init__.py": READS_NUMBERS.replace("'百分之三点五'", "text")}, "its rules are missing"),
        ({"matcha/__init__.py": None}, "No module named 'matcha'"),
        ({"cosyvoice/cli/cosyvoice.py": "import frobnicate\n"}, "No module named 'frobnicate'"),
    ],
    ids=[
        "another CUDA",
        "torch without CUDA",
        "onnxruntime for 11",
        "a longer number",
        "without provider",
        "no onnxruntime",
        "no rules",
        "no Matcha",
        "a package is missing",
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, changed: dict[str, str | None], words: str) -> None:
    done = check(tmp_path, **changed)
    assert done.returncode == 1
    assert words in done.stderr


def test_the_real_rules_pass() -> None:
    """wetext in the version of the gateway, which is that of the image."""
    runpy.run_path(str(PROGRAM))["check_text_rules"]("12.1")


def test_the_image_has_the_gateways_rules() -> None:
    pins = (ROOT / "gateway/requirements.txt", ROOT / "roles/cosyvoice/files/constraints.txt")
    found = {line.split()[0] for path in pins for line in path.read_text().splitlines() if line.startswith("wetext==")}
    assert len(found) == 1
