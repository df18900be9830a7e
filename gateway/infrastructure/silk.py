"""SILK voice messages of WeChat and QQ, which ffmpeg can't read: decoded by a process of their own."""

from __future__ import annotations

import sys
from pathlib import Path

from gateway.domain.file_kinds import is_silk
from gateway.infrastructure.files import head_of
from gateway.infrastructure.sandbox import Bounds, Sandbox

DECODER = Path(__file__).with_name("silk_decoder.py")


async def decode_silk(sandbox: Sandbox, source: Path, target: Path, *, seconds: float, bounds: Bounds) -> bool:
    """Write a SILK message as WAV; false, and nothing, for any other file.

    Args:
        sandbox: runs the decoder.
        source: of any format.
        target: the file to write; incomplete or missing where the message is damaged from its beginning.
        seconds: the rest is ignored.
        bounds: of the decoder.
    """
    if not is_silk(head_of(source)):
        return False
    # -I: nothing but the installed packages; no module of the folder that it runs in.
    command = [sys.executable, "-I", str(DECODER), str(source), str(target), f"{seconds:g}"]
    await sandbox.run(command, folder=target.parent, bounds=bounds)
    return True
