"""`engine_patch/start`: it finds what an image lacks, installs it once, and starts the server in any case."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pip
import pytest

from tests.support.engine import PATCH

START = PATCH / "start"


@pytest.fixture(scope="session")
def interpreter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an interpreter with pip and nothing else."""
    folder = tmp_path_factory.mktemp("python")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    site = next((folder / "lib").glob("python*/site-packages"))
    (site / "pip").symlink_to(Path(pip.__file__).parent)
    return folder / "bin"


def write_wheel(folder: Path, name: str, version: str, module: str) -> None:
    """A wheel with one module."""
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{module}/__init__.py", "")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(
            f"{info}/RECORD", f"{module}/__init__.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n"
        )


@dataclass
class Image:
    """What stands for the engine's image: a source tree, installed packages, wheels to repair it with."""

    folder: Path
    interpreter: Path

    @property
    def packages(self) -> Path:
        return self.folder / "packages"

    def install(self, name: str, version: str, module: str) -> None:
        write_wheel(self.folder, name, version, module)
        wheel = next(self.folder.glob(f"{name.replace('-', '_')}-*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(self.packages)
        wheel.unlink()

    def offer(self, name: str, version: str, module: str) -> None:
        write_wheel(self.folder / "wheels", name, version, module)

    def start(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(START), *arguments],
            env={
                "PATH": f"{self.interpreter}{os.pathsep}/usr/bin{os.pathsep}/bin",
                "HOME": str(self.folder),
                "PYTHONPATH": str(self.packages),
                "PIP_TARGET": str(self.packages),
                "PIP_UPGRADE": "1",
                "COSYVOICE_ROOT": str(self.folder / "source"),
                "COSYVOICE_WHEELS": str(self.folder / "wheels"),
                "COSYVOICE_START_STATE": str(self.folder / "state"),
                # Nothing answers there: what is not among the wheels can't be had.
                "COSYVOICE_PIP_INDEX_URL": "http://127.0.0.1:9/simple",
                "PIP_RETRIES": "0",
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture
def image(tmp_path: Path, interpreter: Path) -> Image:
    server = tmp_path / "source" / "runtime" / "python" / "fastapi" / "server.py"
    server.parent.mkdir(parents=True)
    server.write_text("import os, sys\nprint('server', os.getcwd(), sys.argv[1:])\n", encoding="utf-8")
    (tmp_path / "packages").mkdir()
    (tmp_path / "wheels").mkdir()
    (tmp_path / "source" / "third_party" / "Matcha-TTS").mkdir(parents=True)
    return Image(tmp_path, interpreter)


def with_submodule(image: Image) -> Image:
    matcha = image.folder / "source" / "third_party" / "Matcha-TTS" / "matcha"
    matcha.mkdir()
    (matcha / "__init__.py").touch()
    return image


def test_a_healthy_image_goes_straight_to_the_server(image: Image) -> None:
    done = with_submodule(image).start("--port", "50000")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "start: checked: nothing to repair",
        f"server {image.folder}/source/runtime/python/fastapi ['--port', '50000']",
    ]
    assert not (image.folder / "state").exists()


def test_missing_matcha_is_installed_once(image: Image) -> None:
    image.offer("matcha-tts", "0.0.7.2", "matcha")
    first = image.start()
    assert "start: matcha-tts: Matcha-TTS is missing" in first.stdout
    assert "start: matcha-tts: installed" in first.stdout
    assert first.stdout.splitlines()[-1].startswith("server ")
    assert (image.packages / "matcha" / "__init__.py").exists()
    assert "nothing to repair" in image.start().stdout


def test_an_empty_submodule_folder_is_no_matcha(image: Image) -> None:
    (image.folder / "source" / "third_party" / "Matcha-TTS" / "matcha").mkdir()
    assert "Matcha-TTS is missing" in image.start(COSYVOICE_SKIP_REPAIRS="1").stdout


@pytest.mark.slow
def test_known_bad_versions_are_replaced(image: Image) -> None:
    with_submodule(image).install("ruamel.yaml", "0.19.1", "ruamel_yaml_stub")
    image.install("transformers", "5.0.0", "transformers")
    image.offer("ruamel.yaml", "0.18.16", "ruamel_yaml_stub")
    image.offer("transformers", "4.51.3", "transformers")
    done = image.start()
    assert "ruamel.yaml: installed" in done.stdout
    assert "transformers: installed" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("server ")


def test_good_versions_are_left_alone(image: Image) -> None:
    with_submodule(image).install("ruamel.yaml", "0.18.16", "ruamel_yaml_stub")
    image.install("transformers", "4.51.3", "transformers")
    image.install("torchaudio", "2.3.1", "torchaudio")
    assert "nothing to repair" in image.start().stdout


def test_new_torchaudio_gets_torchcodec(image: Image) -> None:
    with_submodule(image).install("torchaudio", "2.9.0+cu128", "torchaudio")
    image.offer("torchcodec", "0.8.0", "torchcodec")
    assert "torchcodec: installed" in image.start().stdout


@pytest.mark.slow
def test_a_repair_that_fails_is_given_up_and_the_server_starts_all_the_same(image: Image) -> None:
    for attempt in (1, 2, 3):
        done = image.start()
        assert f"could not be installed (attempt {attempt} of 3)" in done.stdout
        assert done.stdout.splitlines()[-1].startswith("server ")
    done = image.start()
    assert "3 attempts have not helped" in done.stdout
    assert "installing" not in done.stdout
    assert done.returncode == 0


def test_it_can_only_diagnose(image: Image) -> None:
    image.offer("matcha-tts", "0.0.7.2", "matcha")
    done = image.start(COSYVOICE_SKIP_REPAIRS="1")
    assert "Matcha-TTS is missing" in done.stdout
    assert "installing" not in done.stdout
    assert not (image.packages / "matcha").exists()


def test_the_servers_exit_code_is_kept(image: Image) -> None:
    server = with_submodule(image).folder / "source" / "runtime" / "python" / "fastapi" / "server.py"
    server.write_text("raise SystemExit(12)\n", encoding="utf-8")
    assert image.start().returncode == 12
