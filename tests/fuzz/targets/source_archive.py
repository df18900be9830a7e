"""A tar archive of sources from a mirror: unpacked within its folder, or refused; never written through a link."""

from __future__ import annotations

import importlib
import os
import shutil
import tarfile
import tempfile
from pathlib import Path

from tests.support.library_modules import add_module_utils

add_module_utils()
git_archive = importlib.import_module("library.git_archive")

FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-sources-"))
# What Python's tarfile raises over hostile bytes; the module says it in its own words.
REFUSALS = (git_archive.ArchiveError, tarfile.TarError, OSError, EOFError, ValueError)


def one_input(data: bytes) -> None:
    """Unpack any bytes."""
    archive, inside = FOLDER / "archive", FOLDER / "inside"
    archive.write_bytes(data)
    inside.mkdir()
    try:
        git_archive.unpack(str(archive), inside)
        git_archive.tree_id(inside, {})
    except REFUSALS:
        pass
    finally:
        assert {path.name for path in FOLDER.iterdir()} == {"archive", "inside"}
        make_writable(inside)
        shutil.rmtree(inside)


def make_writable(folder: Path) -> None:
    """Undo the modes that an archive gave."""
    for place, folders, _ in os.walk(folder):
        for name in folders:
            path = Path(place) / name
            if not path.is_symlink():
                path.chmod(0o700)
