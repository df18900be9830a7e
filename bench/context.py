"""The context of a case: its folder, its thoroughness, and its progress report."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Context:
    """A case's surroundings.

    Attributes:
        folder: an empty folder on a real disk, removed afterwards.
        quick: smaller sizes and fewer rounds, to check that a case works; its figures mean little.
        rounds: number of runs of each variant; 0: the case's own number.
    """

    folder: Path
    quick: bool
    rounds: int = 0

    def times(self, full: int, quick: int = 2) -> int:
        """The effective number of rounds."""
        return self.rounds or (quick if self.quick else full)

    def say(self, text: str) -> None:
        """Report the case's progress."""
        print(f"    {text}", flush=True)

    def subfolder(self, name: str) -> Path:
        """A new folder within."""
        folder = self.folder / name
        folder.mkdir(parents=True)
        return folder


@contextmanager
def new_context(*, quick: bool, rounds: int = 0) -> Iterator[Context]:
    """A context whose folder exists as long as the case runs. `/var/tmp`, since `/tmp` is memory on many machines."""
    folder = Path(tempfile.mkdtemp(prefix="twinport-bench-", dir="/var/tmp"))
    try:
        yield Context(folder, quick, rounds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
