"""The module `git_archive`: what git says about a tree, it says about the unpacked archive."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.support.library_modules import load_library_module

module = load_library_module("git_archive")
SUBMODULE = "1234567890123456789012345678901234567890"


def git(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    for who in ("AUTHOR", "COMMITTER"):
        environment.update({f"GIT_{who}_NAME": "a", f"GIT_{who}_EMAIL": "a@b"})
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with what trips tree ids: names that sort oddly, modes, links, empty files, a submodule."""
    folder = tmp_path / "repository"
    (folder / "a").mkdir(parents=True)
    (folder / "third_party").mkdir()
    for name in ("a/x", "a-b", "a.c", "a0", "空 格"):
        (folder / name).write_text(name, encoding="utf-8")
    (folder / "empty").touch()
    (folder / "run").write_text("#!/bin/sh\n")
    (folder / "run").chmod(0o755)
    (folder / "link").symlink_to("a/x")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "update-index", "--add", "--cacheinfo", f"160000,{SUBMODULE},third_party/sub")
    git(folder, "commit", "--quiet", "--message", "all")
    return folder


@pytest.fixture
def archive(repository: Path, tmp_path: Path) -> Path:
    path = tmp_path / "archive.tar.gz"
    git(repository, "archive", "--format=tar.gz", "--prefix=project-1/", f"--output={path}", "HEAD")
    return path


def test_the_tree_id_is_gits(repository: Path, archive: Path, tmp_path: Path) -> None:
    tree = git(repository, "rev-parse", "HEAD^{tree}")
    module.put(archive, tmp_path / "source", tree, {"third_party/sub": SUBMODULE})
    assert module.is_there(tmp_path / "source", tree)
    assert (tmp_path / "source" / "link").read_text() == "a/x"
    assert os.access(tmp_path / "source" / "run", os.X_OK)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive.tar.gz", "repository", "source", "source.tree"]


def test_another_tree_is_refused_and_the_old_one_stays(repository: Path, archive: Path, tmp_path: Path) -> None:
    tree = git(repository, "rev-parse", "HEAD^{tree}")
    module.put(archive, tmp_path / "source", tree, {"third_party/sub": SUBMODULE})
    with pytest.raises(module.ArchiveError, match="instead of"):
        module.put(archive, tmp_path / "source", "0" * 40, {"third_party/sub": SUBMODULE})
    assert module.is_there(tmp_path / "source", tree)
    with pytest.raises(module.ArchiveError, match="instead of"):
        module.put(archive, tmp_path / "source", tree, {"third_party/sub": "2" * 40})


def test_a_changed_byte_is_found(repository: Path, archive: Path, tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    module.unpack(archive, tmp_path / "open")
    (tmp_path / "open" / "a0").write_text("a1")
    found = module.tree_id(tmp_path / "open", {"third_party/sub": SUBMODULE})
    assert found != git(repository, "rev-parse", "HEAD^{tree}")


def tar_with(path: Path, *members: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w") as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(b"x" * member.size))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    info.size = 1 if kind == tarfile.REGTYPE else 0
    return info


@pytest.mark.parametrize(
    "bad",
    [
        member("p/../../out"),
        member("/etc/out"),
        member("p/device", tarfile.CHRTYPE),
        member("p/hard", tarfile.LNKTYPE, "/etc/passwd"),
        member("p/fifo", tarfile.FIFOTYPE),
    ],
    ids=lambda info: info.name,
)
def test_archives_that_reach_out_are_refused(tmp_path: Path, bad: tarfile.TarInfo) -> None:
    (tmp_path / "open").mkdir()
    with pytest.raises(module.ArchiveError):
        module.unpack(tar_with(tmp_path / "bad.tar", bad), tmp_path / "open")
    assert not (tmp_path / "out").exists()


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    archive = tar_with(tmp_path / "bad.tar", member("p/link", tarfile.SYMTYPE, ".."), member("p/link/out"))
    with pytest.raises(OSError, match="exists"):
        module.unpack(archive, tmp_path / "open")
    assert not (tmp_path / "out").exists()
