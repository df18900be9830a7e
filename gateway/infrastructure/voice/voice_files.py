"""The files of voices: one folder each, holding the original upload and the normalised reference."""

from __future__ import annotations

import hashlib
import shutil
from contextlib import suppress
from pathlib import Path

from gateway.domain.naming import is_voice_id
from gateway.domain.storage import storage_errors
from gateway.domain.voice.ports import Swept
from gateway.infrastructure.files import (
    discard,
    discard_folder,
    make_folder,
    publish,
    sweep_temporary,
    sync_folder,
    temporary_path,
)

# Exists in a voice's folder until its record is written or while it is deleted: without a record it may be deleted.
UNRECORDED = "unrecorded"


class VoiceFiles:
    """The paths of each voice's files.

    Args:
        root: the entry's own folder; created if missing.
    """

    def __init__(self, root: Path) -> None:
        self.incoming = root / "incoming"
        self.voices = root / "voices"
        for folder in (self.incoming, self.voices):
            make_folder(folder)

    def _folder(self, voice_id: str) -> Path:
        if not is_voice_id(voice_id):
            raise ValueError(f"not a voice id: {voice_id!r}")
        return self.voices / voice_id

    def new_temporary(self) -> Path:
        """A path for a file being made, on the file system of the recordings."""
        return temporary_path(self.incoming)

    def upload(self, voice_id: str) -> Path:
        """The original upload, unchanged."""
        return self._folder(voice_id) / "upload"

    def reference(self, voice_id: str) -> Path:
        """The reference for the engine; exists once the voice is ready."""
        return self._folder(voice_id) / "reference.wav"

    def keep_upload(self, voice_id: str, received: Path) -> None:
        """Move a received file to its place, durably; ``settle`` follows once the voice is recorded.

        Raises:
            StorageError: what is there already is the caller's to delete.
        """
        folder = self._folder(voice_id)
        with storage_errors():
            folder.mkdir()
            (folder / UNRECORDED).touch()
            sync_folder(self.voices)
        publish(received, folder / "upload")

    def settle(self, voice_id: str) -> None:
        """The database names the voice now: its files are never deleted for want of a record.

        Raises:
            FileNotFoundError: the voice has no files.
            StorageError: to be tried again.
        """
        folder = self._folder(voice_id)
        with storage_errors():
            (folder / UNRECORDED).unlink(missing_ok=True)
            sync_folder(folder)

    def mark_for_deletion(self, voice_id: str) -> None:
        """The record is about to be deleted: if the files outlive it by a crash, the next start deletes them."""
        folder = self._folder(voice_id)
        # A full disk must not prevent deletion.
        with suppress(OSError):
            (folder / UNRECORDED).touch()
            sync_folder(folder)

    def keep_reference(self, voice_id: str, made: Path) -> str:
        """Move a finished reference to its place, durably; returns the digest of its content.

        Raises:
            StorageError: the reference is not in its place.
        """
        with storage_errors():
            digest = hashlib.sha256(made.read_bytes()).hexdigest()
        publish(made, self.reference(voice_id))
        return digest

    def delete(self, voice_id: str) -> None:
        """Remove all files of a voice, its mark last: a deletion that is cut off is finished by the next start.

        Raises:
            StorageError: some are still there.
        """
        folder = self._folder(voice_id)
        with storage_errors(), suppress(FileNotFoundError):
            for path in list(folder.iterdir()):
                if path.name != UNRECORDED:
                    path.unlink(missing_ok=True)
            # Without the mark, a file that a power cut brought back would stay for good.
            sync_folder(folder)
            shutil.rmtree(folder)

    def discard(self, temporary: Path) -> None:
        """Delete a file being made, unless it was moved to its place."""
        discard(temporary)

    def sweep(self, known: set[str]) -> Swept:
        """Delete what a crash left: unfinished uploads, and folders of voices that were never recorded or are deleted.

        Complete recordings without a record stay: the database may be a new one, or an older copy.

        Args:
            known: the voices that the database names.
        """
        removed = 0
        for leftover in self.incoming.iterdir():
            discard_folder(leftover) if leftover.is_dir() else discard(leftover)
            removed += 1
        removed += sweep_temporary(self.voices)
        unnamed = []
        for folder in self.voices.iterdir():
            if folder.name in known:
                discard(folder / UNRECORDED)
            elif (folder / UNRECORDED).exists() or _is_empty(folder):
                discard_folder(folder)
                removed += 1
            else:
                unnamed.append(folder.name)
        return Swept(removed, tuple(sorted(unnamed)))


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())
