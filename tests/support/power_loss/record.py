"""The record of what processes do to some folders: a preloaded library writes it, this reads it."""

from __future__ import annotations

import os
import struct
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).with_name("record.c")
CACHE = Path(__file__).resolve().parents[3] / ".cache"
HEAD = struct.Struct("<iIIIq")


class Kind(StrEnum):
    """As in ``record.c``."""

    CREATE = "c"
    TRUNCATE = "t"
    WRITE = "w"
    CONTENT = "k"
    SYNC = "s"
    RENAME = "r"
    LINK = "l"
    UNLINK = "u"
    MKDIR = "m"
    RMDIR = "d"
    ANSWER = "a"


@dataclass(frozen=True)
class Event:
    """One call that succeeded, or the begin of an answer.

    Attributes:
        path: of the file; the old one of two.
        other: the new path of a rename or link.
        at: offset of the data, or the size that was set.
        data: what was written, or the first bytes of the answer.
        end: where its record ends in the log.
    """

    kind: Kind
    path: str
    other: str
    at: int
    data: bytes
    end: int


@cache
def library() -> Path:
    """The compiled library; needs a C compiler."""
    CACHE.mkdir(exist_ok=True)
    built, target = CACHE / f"record.{os.getpid()}.so", CACHE / "record.so"
    if not target.exists() or target.stat().st_mtime < SOURCE.stat().st_mtime:
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-Wall", "-o", built, SOURCE, "-ldl"], check=True)
        built.replace(target)
    return target


class Recorder:
    """Records the processes that are started with ``environment``.

    Args:
        folders: absolute paths, without links, of what is recorded.
        log: a file that is made anew.
    """

    def __init__(self, folders: Iterable[Path], log: Path) -> None:
        log.write_bytes(b"")
        self._log = log
        self.environment = {
            "LD_PRELOAD": str(library()),
            "RECORD_FOLDERS": ":".join(map(str, folders)),
            "RECORD_LOG": str(log),
        }

    def position(self) -> int:
        """Where the log ends now."""
        return self._log.stat().st_size

    def events(self) -> list[Event]:
        """All that was recorded."""
        return list(read_events(self._log.read_bytes()))


def read_events(log: bytes) -> Iterator[Event]:
    """The events of a log; one that was cut off at its end is left out."""
    start = 0
    while start + HEAD.size <= len(log):
        kind, path, other, size, at = HEAD.unpack_from(log, start)
        first = start + HEAD.size
        second, third = first + path, first + path + other
        start = third + size
        if start > len(log):
            return
        names = log[first:second].decode(), log[second:third].decode()
        yield Event(Kind(chr(kind)), *names, at, log[third:start], start)
