"""The stand-in driver's library is used as a real one would be; each of its failures is named."""

from __future__ import annotations

import ctypes
import inspect
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from module_utils import cuda_work
from module_utils.cuda_work import CudaError, work
from tests.support.servers import ROOT

SOURCE = ROOT / "test_host" / "standin" / "nvidia_files" / "libcuda.c"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("driver") / "libcuda.so.1"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(made), str(SOURCE)], check=True)
    return made


def driver(library: Path, **instead: Any) -> Any:
    """The stand-in, with some of its calls replaced."""
    real = ctypes.CDLL(str(library))
    names = re.findall(r"^int (cu\w+)", SOURCE.read_text(encoding="utf-8"), re.MULTILINE)
    return SimpleNamespace(**{**{name: getattr(real, name) for name in names}, **instead})


def test_a_page_goes_there_and_back(library: Path) -> None:
    assert work(driver(library)) == 1


def test_a_failing_call_is_named(library: Path) -> None:
    with pytest.raises(CudaError, match=r"cuInit failed: CUDA_ERROR_UNKNOWN \(999\)"):
        work(driver(library, cuInit=lambda flags: 999))
    with pytest.raises(CudaError, match=r"cuMemAlloc_v2 failed: CUDA_ERROR \(2\)"):
        work(driver(library, cuMemAlloc_v2=lambda *_: 2))


def test_a_card_that_returns_other_bytes_is_noticed(library: Path) -> None:
    with pytest.raises(CudaError, match="other bytes"):
        work(driver(library, cuMemcpyDtoH_v2=lambda *_: 0))


def test_a_library_without_a_call_is_named(library: Path) -> None:
    broken = driver(library)
    del broken.cuMemAlloc_v2
    with pytest.raises(CudaError, match="no cuMemAlloc_v2"):
        work(broken)


def test_it_runs_as_a_program(library: Path) -> None:
    argv = [sys.executable, "-I", "-S", "-c", inspect.getsource(cuda_work)]
    done = subprocess.run(
        argv, env={"LD_LIBRARY_PATH": str(library.parent)}, capture_output=True, text=True, check=True
    )
    assert done.stdout == "1\n"
    missing = subprocess.run(argv, env={}, capture_output=True, text=True, check=False)
    assert missing.returncode == 1
    assert "libcuda.so.1" in missing.stderr
