"""What every case is given: where it may write, how thorough it is, and a way to tell how far it is."""

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
        quick: smaller sizes and fewer rounds, to see that a case works; its figures mean little.
        rounds: how often each variant runs; 0: the case's own number.
    """

    folder: Path
    quick: bool
    rounds: int = 0

    def times(self, full: int, quick: int = 2) -> int:
        """The number of rounds in force."""
        return self.rounds or (quick if self.quick else full)

    def say(self, text: str) -> None:
        """Tell how far the case is."""
        print(f"    {text}", flush=True)

    def subfolder(self, name: str) -> Path:
        """A new folder within."""
        folder = self.folder / name
        folder.mkdir(parents=True)
        return folder


@contextmanager
def new_context(*, quick: bool, rounds: int = 0) -> Iterator[Context]:
    """A context whose folder lives as long as the case. `/var/tmp`, since `/tmp` is memory on many machines."""
    folder = Path(tempfile.mkdtemp(prefix="twinport-bench-", dir="/var/tmp"))
    try:
        yield Context(folder, quick, rounds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
