"""The valid API keys: from the environment and from a file that is read again when it changes."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

log = structlog.stdlib.get_logger(__name__)

CHECK_EVERY_SECONDS = 1.0
MAX_NAME_CHARS = 64
ID_BYTES = 16
UNNAMED, ADMIN, FORMER = "unnamed", "admin", "former"

Names = Mapping[bytes, str]  # of keys, by their digests


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.strip().encode("utf-8", "surrogateescape")).digest()


def _given_keys(keys: str, name: str) -> Names:
    """Keys that are separated by commas, all under one name."""
    return {_digest(key): name for key in keys.split(",") if key.strip()}


def _listed_keys(lines: Iterable[str]) -> Names:
    """Keys, one a line; the comment behind a key is its name."""
    split = (line.partition("#") for line in lines)
    return {_digest(key): _name(comment) for key, _, comment in split if key.strip()}


def _name(comment: str) -> str:
    return "".join(filter(str.isprintable, comment)).strip()[:MAX_NAME_CHARS] or UNNAMED


@dataclass(frozen=True)
class _Stamp:
    """What distinguishes two versions of a file without reading it."""

    inode: int
    size: int
    modified_ns: int


class ApiKeys:
    """Accepts any of several keys, in time that does not depend on which.

    Args:
        given: keys from the environment, comma separated.
        admin: the administrators' keys from the environment. Where there are none and no key in ``admin_file``
            either, the holder of a lone key is the administrator.
        file: one key per line, ``#`` for comments; while it is missing it adds no keys.
        admin_file: the same with administrators' keys.

    Raises:
        OSError: a file exists and can't be read.
        UnicodeDecodeError: a file is not UTF-8.
    """

    def __init__(
        self, *, given: str, admin: str = "", file: Path | None = None, admin_file: Path | None = None
    ) -> None:
        self._given = _given_keys(given, UNNAMED)
        self._given_admin = _given_keys(admin, ADMIN)
        self._files = [_KeyFile(path) for path in (file, admin_file)]
        if file is not None and not self.required:
            log.warning("no api key is set: everybody who reaches the port may use the entry", path=str(file))

    @property
    def required(self) -> bool:
        """Whether the entry requires a key at all."""
        return bool(self._in_force)

    def accepts(self, key: str) -> bool:
        """Whether the key is valid, an admin's included."""
        return _matches(key, self._in_force)

    def accepts_admin(self, key: str) -> bool:
        """Whether the key opens the admin view."""
        known = self._in_force
        return _matches(key, self._admin or (known if len(known) == 1 else ()))

    def id_of(self, key: str) -> str:
        """What stands for an accepted key in records: half of its digest."""
        return _id(_digest(key))

    def name_of(self, key_id: str) -> str:
        """The comment behind the key in its file; else what all keys from the environment are called."""
        return {_id(digest): name for digest, name in self._in_force.items()}.get(key_id, FORMER)

    @property
    def _admin(self) -> Names:
        return {**self._given_admin, **self._files[1].keys()}

    @property
    def _in_force(self) -> Names:
        return {**self._given, **self._files[0].keys(), **self._admin}


class _KeyFile:
    """The keys of one file, read again when it changes."""

    def __init__(self, path: Path | None) -> None:
        self._file = path
        self._keys: Names = {}
        self._stamp: _Stamp | None = None
        self._checked_at = float("-inf")
        self.keys()

    def keys(self) -> Names:
        """The keys in force; what was read once stays so while the file is missing, empty or unreadable."""
        now = time.monotonic()
        if self._file is not None and now - self._checked_at >= CHECK_EVERY_SECONDS:
            self._checked_at = now
            self._refresh(self._file)
        return self._keys

    def _refresh(self, file: Path) -> None:
        path = str(file)
        try:
            status = file.stat()
            stamp = _Stamp(status.st_ino, status.st_size, status.st_mtime_ns)
            if stamp == self._stamp:
                return
            lines = file.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            # The keys of a deleted file stay valid, so that its deletion does not open the entry.
            if self._stamp is not None:
                log.warning("api keys file is missing; its keys stay valid", path=path)
                self._stamp = None
            return
        except (OSError, UnicodeDecodeError) as error:
            if self._stamp is None and not self._keys:
                raise
            log.warning("api keys file unreadable; its keys stay in force", path=path, error=str(error))
            return
        self._stamp = stamp
        self._take(_listed_keys(lines), path)

    def _take(self, found: Names, path: str) -> None:
        if self._keys and not found:
            # A file that is being rewritten, or was emptied by mistake, must not open the entry either.
            log.warning("api keys file has no key any more; its keys stay valid until a restart", path=path)
            return
        self._keys = found
        log.info("api keys read", count=len(found), path=path)


def _id(digest: bytes) -> str:
    return digest[:ID_BYTES].hex()


def _matches(key: str, digests: Iterable[bytes]) -> bool:
    wanted = _digest(key)
    found = False
    for digest in digests:
        found |= hmac.compare_digest(wanted, digest)
    return found
