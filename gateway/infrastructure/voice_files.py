"""The files of voices: one folder each, holding the original upload and the normalised reference."""

from __future__ import annotations

import hashlib
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.domain.naming import is_voice_id
from gateway.infrastructure.files import disk_full_is_507, publish, sweep_temporary, sync_folder

# Lies in a voice's folder while its record is not written yet or about to go: without a record it may be deleted.
UNRECORDED = "unrecorded"


@dataclass(frozen=True)
class Swept:
    """What a start found among the files.

    Attributes:
        removed: leftovers of a crash that were deleted.
        unnamed: voices whose files are whole, though the database does not name them; they were kept.
    """

    removed: int
    unnamed: tuple[str, ...]


class VoiceFiles:
    """Where the files of each voice lie.

    Args:
        root: a folder of the entry's own; created where missing.
    """

    def __init__(self, root: Path) -> None:
        self.incoming = root / "incoming"
        self.voices = root / "voices"
        for folder in (self.incoming, self.voices):
            folder.mkdir(parents=True, exist_ok=True)

    def _folder(self, voice_id: str) -> Path:
        if not is_voice_id(voice_id):
            raise ValueError(f"not a voice id: {voice_id!r}")
        return self.voices / voice_id

    def upload(self, voice_id: str) -> Path:
        """The original upload, as it came."""
        return self._folder(voice_id) / "upload"

    def reference(self, voice_id: str) -> Path:
        """What the engine hears; exists once the voice is ready."""
        return self._folder(voice_id) / "reference.wav"

    def keep_upload(self, voice_id: str, received: Path) -> None:
        """Move a received file to its place, durably; ``settle`` follows once the voice is recorded.

        Raises:
            GatewayError: ``storage_full`` (507); nothing is left behind.
        """
        folder = self._folder(voice_id)
        try:
            with disk_full_is_507():
                folder.mkdir()
                (folder / UNRECORDED).touch()
                sync_folder(self.voices)
            publish(received, folder / "upload")
        except BaseException:
            self.delete(voice_id)
            raise

    def settle(self, voice_id: str) -> None:
        """The database names the voice now: its files are never deleted for want of a record."""
        folder = self._folder(voice_id)
        (folder / UNRECORDED).unlink(missing_ok=True)
        sync_folder(folder)

    def doom(self, voice_id: str) -> None:
        """The record is about to go: if the files outlive it by a crash, the next start deletes them."""
        folder = self._folder(voice_id)
        # A full disk must not keep anybody from deleting.
        with suppress(OSError):
            (folder / UNRECORDED).touch()
            sync_folder(folder)

    def keep_reference(self, voice_id: str, made: Path) -> str:
        """Move a finished reference to its place, durably; returns the digest of its content."""
        digest = hashlib.sha256(made.read_bytes()).hexdigest()
        publish(made, self.reference(voice_id))
        return digest

    def delete(self, voice_id: str) -> None:
        """Remove all files of a voice."""
        shutil.rmtree(self._folder(voice_id), ignore_errors=True)

    def sweep(self, known: set[str]) -> Swept:
        """Delete what a crash left: unfinished uploads, and folders of voices that were never recorded or are deleted.

        Whole recordings without a record stay: the database may be a new one, or an older copy.

        Args:
            known: the voices that the database names.
        """
        removed = 0
        for leftover in self.incoming.iterdir():
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
            removed += 1
        removed += sweep_temporary(self.voices)
        unnamed = []
        for folder in self.voices.iterdir():
            if folder.name in known:
                (folder / UNRECORDED).unlink(missing_ok=True)
            elif (folder / UNRECORDED).exists() or _is_empty(folder):
                shutil.rmtree(folder, ignore_errors=True)
                removed += 1
            else:
                unnamed.append(folder.name)
        return Swept(removed, tuple(sorted(unnamed)))


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())
