"""The digest of a build context changes with its inputs, and with nothing else."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.library_modules import load_library_module


@pytest.fixture(scope="module")
def module() -> ModuleType:
    """The action plugin as a Python module."""
    return load_library_module("build_context", "action_plugins")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A small source tree."""
    folder = tmp_path / "source"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "code.py").write_text("print()\n")
    (folder / "run").write_text("#!/bin/sh\n")
    (folder / "run").chmod(0o755)
    return folder


def digest(module: ModuleType, source: Path, cache: Path, salt: str = "") -> str:
    """Pack and return the digest."""
    return str(module.pack({"app": str(source)}, salt, cache)[0])


def test_same_content_same_digest_whatever_the_times_and_caches(
    module: ModuleType, source: Path, tmp_path: Path
) -> None:
    before = digest(module, source, tmp_path / "cache")
    os.utime(source / "run", (1, 1))
    (source / "inner" / "__pycache__").mkdir()
    (source / "inner" / "__pycache__" / "code.cpython-311.pyc").write_bytes(b"\0")
    assert digest(module, source, tmp_path / "other-cache") == before


@pytest.mark.parametrize("change", ["content", "mode", "name", "salt"])
def test_each_input_changes_the_digest(module: ModuleType, source: Path, tmp_path: Path, change: str) -> None:
    before = digest(module, source, tmp_path / "cache")
    if change == "content":
        (source / "run").write_text("#!/bin/bash\n")
    elif change == "mode":
        (source / "run").chmod(0o644)
    elif change == "name":
        (source / "run").rename(source / "start")
    assert digest(module, source, tmp_path / "cache", salt=change if change == "salt" else "") != before


def test_the_tar_holds_the_tree_under_its_target(module: ModuleType, source: Path, tmp_path: Path) -> None:
    _, path = module.pack({"app": str(source), "Dockerfile": str(source / "run")}, "", tmp_path / "cache")
    with tarfile.open(path) as tar:
        assert {name for name in tar.getnames() if name != "app/inner"} == {
            "Dockerfile",
            "app",
            "app/run",
            "app/inner/code.py",
        }
        assert tar.getmember("app/run").mode == 0o755


def test_a_missing_source_is_an_error(module: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        module.pack({"app": str(tmp_path / "nowhere")}, "", tmp_path / "cache")
