"""Under which names uploads were sent, where the stored name does not tell that; and names that only look alike."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from gateway.domain.storage import storage_errors
from gateway.domain.video.file_names import compatible_form, original_name
from gateway.infrastructure.files import discard, make_folder, write_text

SETTLED_NS = 2 * 10**9  # a folder that changed later than that may change again within the same tick of its clock


class SentNames:
    """Small files, one for each upload whose stored name is not the sent one in another form.

    Args:
        folder: of these files; made when the first is written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def note(self, stored: str, sent: str) -> None:
        """Keep a sent name.

        Raises:
            StorageError: the disk is full, broken or read-only.
        """
        if not sent or original_name(stored) == unicodedata.normalize("NFC", sent):
            return
        with storage_errors():
            if not self._folder.is_dir():
                make_folder(self._folder, mode=0o700)
        write_text(self._folder / stored, sent.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))

    def of(self, stored: str) -> str:
        """The sent name of an upload."""
        with suppress(OSError, ValueError):
            return (self._folder / stored).read_text(encoding="utf-8")
        return original_name(stored) or stored

    def forget(self, stored: str) -> None:
        """The upload is gone."""
        path = self._folder / stored
        if path.is_file():
            discard(path)


class SimilarNames:
    """Finds an upload whose name is the same but for compatibility characters (NFKC), as if that were a spelling.

    Args:
        folder: of the uploads.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._changed_ns = -1
        self._names: dict[str, list[str]] = {}

    def like(self, names: Iterable[str]) -> list[str]:
        """The stored names of uploads that are the only one like one of these names."""
        current = self._current()
        found = (current.get(compatible_form(name), []) for name in names)
        return [stored[0] for stored in found if len(stored) == 1]

    def _current(self) -> dict[str, list[str]]:
        try:
            changed_ns = self._folder.stat().st_mtime_ns
        except FileNotFoundError:
            return {}
        if changed_ns != self._changed_ns:
            self._names = self._read()
            self._changed_ns = changed_ns if time.time_ns() - changed_ns > SETTLED_NS else -1
        return self._names

    def _read(self) -> dict[str, list[str]]:
        names: dict[str, list[str]] = {}
        for path in self._folder.iterdir():
            sent = None if path.name.startswith(".") else original_name(path.name)
            if sent is not None:
                names.setdefault(compatible_form(sent), []).append(path.name)
        return names
