"""The files of voices: one folder each, holding the original upload and the normalised reference."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from gateway.domain.naming import is_voice_id
from gateway.infrastructure.files import disk_full_is_507, publish, sweep_temporary, sync_folder


class VoiceFiles:
    """Where the files of each voice lie.

    Args:
        root: a folder of the entry's own; created where missing.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self.incoming = root / "incoming"
        self._voices = root / "voices"
        for folder in (self.incoming, self._voices):
            folder.mkdir(parents=True, exist_ok=True)

    def _folder(self, voice_id: str) -> Path:
        if not is_voice_id(voice_id):
            raise ValueError(f"not a voice id: {voice_id!r}")
        return self._voices / voice_id

    def upload(self, voice_id: str) -> Path:
        """The original upload, as it came."""
        return self._folder(voice_id) / "upload"

    def reference(self, voice_id: str) -> Path:
        """What the engine hears; exists once the voice is ready."""
        return self._folder(voice_id) / "reference.wav"

    def keep_upload(self, voice_id: str, received: Path) -> None:
        """Move a received file to its place, durably.

        Raises:
            GatewayError: ``storage_full`` (507); nothing is left behind.
        """
        folder = self._folder(voice_id)
        try:
            with disk_full_is_507():
                folder.mkdir()
                sync_folder(self._voices)
            publish(received, folder / "upload")
        except BaseException:
            self.delete(voice_id)
            raise

    def keep_reference(self, voice_id: str, made: Path) -> str:
        """Move a finished reference to its place, durably; returns the digest of its content."""
        digest = hashlib.sha256(made.read_bytes()).hexdigest()
        publish(made, self.reference(voice_id))
        return digest

    def delete(self, voice_id: str) -> None:
        """Remove all files of a voice."""
        shutil.rmtree(self._folder(voice_id), ignore_errors=True)

    def sweep(self, known: set[str]) -> int:
        """Delete what a crash left: unfinished uploads, and folders of voices that were never acknowledged."""
        removed = 0
        for leftover in self.incoming.iterdir():
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
            removed += 1
        removed += sweep_temporary(self._voices)
        for folder in self._voices.iterdir():
            if folder.name not in known:
                shutil.rmtree(folder, ignore_errors=True)
                removed += 1
        return removed
