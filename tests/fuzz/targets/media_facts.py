"""WAV and MP4 headers as the self test reads them: facts, or ``NotMediaError``."""

from __future__ import annotations

from module_utils.media_facts import NotMediaError, read_mp4, read_wav


def one_input(data: bytes) -> None:
    """Read any bytes as both."""
    for read in (read_wav, read_mp4):
        try:
            found = read(data)
        except NotMediaError:
            continue
        assert found.seconds >= 0
