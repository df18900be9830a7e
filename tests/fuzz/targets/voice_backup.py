"""A backup of voices (tar, gzip) from an operator: extracted within its folder, or refused in a sentence."""

from __future__ import annotations

import gzip
import io
import shutil
import tempfile
from pathlib import Path

from gateway.domain.voice.backup import BackupError
from gateway.infrastructure.voice.backup_tar import extract

FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-backup-"))


def one_input(data: bytes) -> None:
    """Read bytes as a backup: as they are where the first one is odd, else packed first, as gzip hides a tar."""
    source = data[1:] if data[:1] and data[0] % 2 else gzip.compress(data[1:], 1)
    inside = FOLDER / "inside"
    inside.mkdir()
    try:
        extract(io.BytesIO(source), inside)
    except BackupError as error:
        assert str(error)
    else:
        assert (inside / "gateway.sqlite3").is_file()
    finally:
        assert [path.name for path in FOLDER.iterdir()] == ["inside"]
        assert not any(path.is_symlink() for path in inside.rglob("*"))
        shutil.rmtree(inside)
