"""Turns a SILK voice message into WAV: ``python silk_decoder.py SOURCE TARGET SECONDS``, a process in the sandbox.

The codec is written in C and gets whatever people send, so it never runs in the gateway's own process.
"""

import io
import sys
import wave
from pathlib import Path

import pysilk  # type: ignore[import-untyped]

RATE = 24000
PACKETS_A_SECOND = 50
LARGEST_PACKET = 900
MARK = b"#!SILK_V3"


def packets(content: bytes, most: int) -> bytes:
    """The header and the whole packets after it, up to the first that can't be one."""
    start = content.index(MARK) + len(MARK)
    end = start
    for _ in range(most):
        size = int.from_bytes(content[end : end + 2], "little")
        if not 0 < size <= LARGEST_PACKET or end + 2 + size > len(content):
            break
        end += 2 + size
    return MARK + content[start:end]


class _Frames:
    """A WAV's samples as the codec wants its output."""

    def __init__(self, target: wave.Wave_write) -> None:
        self._target = target

    def write(self, samples: bytes) -> None:
        self._target.writeframesraw(samples)

    def read(self, _: int = -1) -> bytes:
        return b""


def main(source: str, target: str, seconds: str) -> None:
    """Decode as many seconds as that; what precedes a damaged packet stays."""
    most = int(float(seconds) * PACKETS_A_SECOND)
    with Path(source).open("rb") as file:
        content = file.read((LARGEST_PACKET + 2) * most + 64)
    with wave.open(target, "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        try:
            pysilk.decode(io.BytesIO(packets(content, most)), _Frames(file), RATE)
        except pysilk.SilkError as error:
            print(f"stopped: {error}", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
