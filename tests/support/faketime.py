"""The machine's wall clock as a process sees it, set while the process runs; all other clocks stay as they are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def library() -> Path:
    """Debian's libfaketime, in the variant for programs with threads."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    assert found, "libfaketime is missing: make tools"
    return found[0]


class WallClock:
    """A wall clock that a test moves.

    Args:
        file: says how far it is from the real one; made anew.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.ahead(0)

    @property
    def environment(self) -> Mapping[str, str]:
        """What a process needs to see this clock."""
        return {
            "LD_PRELOAD": str(library()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def ahead(self, seconds: int) -> None:
        """Set it so far ahead of the real one; negative: behind."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{seconds:+d}", encoding="ascii")
        os.replace(fresh, self._file)  # noqa: PTH105 - at once, as a process may be reading it
