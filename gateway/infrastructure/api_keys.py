"""The API keys in force: from the environment and from a file that is read anew when it changes."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import structlog

log = structlog.stdlib.get_logger(__name__)

LOOK_EVERY_SECONDS = 1.0


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def _digests(keys: Iterable[str]) -> tuple[bytes, ...]:
    return tuple(_digest(key.strip()) for key in keys if key.strip())


@dataclass(frozen=True)
class _Stamp:
    """What tells two versions of a file apart without reading it."""

    inode: int
    size: int
    modified_ns: int


class ApiKeys:
    """Accepts any of several keys, in time that does not depend on which.

    Args:
        given: keys from the environment, comma separated.
        admin: keys that alone open the admin view; empty: every key does.
        file: one key a line, ``#`` for comments; while it is missing it adds no keys.
    """

    def __init__(self, *, given: str, admin: str = "", file: Path | None = None) -> None:
        self._given = _digests(given.split(","))
        self._admin = _digests(admin.split(","))
        self._file = file
        self._from_file: tuple[bytes, ...] = ()
        self._stamp: _Stamp | None = None
        self._looked_at = float("-inf")
        self._refresh()

    @property
    def required(self) -> bool:
        """Whether the entry asks for a key at all."""
        self._refresh()
        return bool(self._given or self._from_file or self._admin)

    def accepts(self, key: str) -> bool:
        """Whether the key is one of those in force, an admin's included."""
        self._refresh()
        return _matches(key, (*self._given, *self._from_file, *self._admin))

    def accepts_admin(self, key: str) -> bool:
        """Whether the key opens the admin view."""
        return _matches(key, self._admin) if self._admin else self.accepts(key)

    def _refresh(self) -> None:
        now = time.monotonic()
        if self._file is None or now - self._looked_at < LOOK_EVERY_SECONDS:
            return
        self._looked_at = now
        try:
            status = self._file.stat()
            stamp = _Stamp(status.st_ino, status.st_size, status.st_mtime_ns)
            if stamp == self._stamp:
                return
            lines = self._file.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            # A file that vanished while running keeps its keys in force: nobody opens an entry by deleting it.
            if self._stamp is not None:
                log.warning("api keys file is gone; its keys stay in force", path=self._path)
                self._stamp = None
            return
        except (OSError, UnicodeDecodeError) as error:
            if self._stamp is None and not self._from_file:
                raise
            log.warning("api keys file unreadable; its keys stay in force", path=self._path, error=str(error))
            return
        self._stamp = stamp
        self._take(_digests(line.split("#", 1)[0] for line in lines))

    def _take(self, found: tuple[bytes, ...]) -> None:
        if self._from_file and not found:
            # A file that is being rewritten, or was emptied by mistake, opens an entry as little as one that is gone.
            log.warning("api keys file holds no key any more; its keys stay in force until a restart", path=self._path)
            return
        self._from_file = found
        log.info("api keys read", count=len(found))
        if not self._given and not self._admin and not found:
            log.warning("api keys file holds no key: everybody who reaches the port may use the entry", path=self._path)

    @property
    def _path(self) -> str:
        return str(self._file)


def _matches(key: str, digests: tuple[bytes, ...]) -> bool:
    wanted = _digest(key.strip())
    found = False
    for digest in digests:
        found |= hmac.compare_digest(wanted, digest)
    return found
