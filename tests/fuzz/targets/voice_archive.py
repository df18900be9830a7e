"""A zip from a client: an archive of ours, or a refusal with a code; never more on the disk than allowed."""

from __future__ import annotations

import tempfile
from pathlib import Path

from gateway.domain.errors import GatewayError
from gateway.infrastructure.voice.archive import read_archive

MOST_BYTES = 1 << 16
FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-archive-"))


def one_input(data: bytes) -> None:
    """Read any bytes as an archive."""
    source, target = FOLDER / "source.zip", FOLDER / "upload"
    source.write_bytes(data)
    target.unlink(missing_ok=True)
    try:
        found = read_archive(source, target, most_bytes=MOST_BYTES, reserve=0)
    except GatewayError:
        pass
    else:
        assert found.size == target.stat().st_size
    assert not target.exists() or target.stat().st_size <= MOST_BYTES
    assert {path.name for path in FOLDER.iterdir()} <= {"source.zip", "upload"}
