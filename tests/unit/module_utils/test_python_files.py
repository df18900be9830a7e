"""The files that are carried are enough for a program with ctypes, where nothing else is."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from module_utils.python_files import python_files


def libraries(program: str) -> list[str]:
    return re.findall(
        r"(/\S+) \(0x", subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    )


def test_ctypes_works_with_them_alone(tmp_path: Path) -> None:
    for name, source in python_files(libraries).items():
        place = tmp_path / name.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, place)
    program = "import ctypes; print(ctypes.CDLL(None).abs(-5))"
    argv = ["/usr/sbin/chroot", str(tmp_path), sys.executable, "-I", "-S", "-c", program]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env={})
    assert (done.stdout, done.stderr) == ("5\n", "")


def test_without_ctypes_there_is_nothing_to_carry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = {"stdlib": str(tmp_path)}
    monkeypatch.setattr("module_utils.python_files.sysconfig.get_paths", lambda: paths)
    assert python_files(libraries) == {}
