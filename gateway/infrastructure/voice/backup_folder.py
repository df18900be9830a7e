"""The data folder of a voice entry, as a whole: packed into an archive, and replaced by one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from gateway.domain.voice.backup import BackupError, VoiceStates, entry_is_running
from gateway.infrastructure.files import sync_folder
from gateway.infrastructure.folder_lock import SecondGatewayError, own_folder
from gateway.infrastructure.voice import backup_database
from gateway.infrastructure.voice.backup_tar import DATABASE, REFERENCE, UPLOAD, extract, writing


class BackupFolder:
    """Implements the ports of ``gateway.domain.voice.backup`` on an entry's folder with its SQLite database.

    Args:
        data_dir: the entry's folder.

    Raises:
        BackupError: there is no such folder.
    """

    def __init__(self, data_dir: Path) -> None:
        if not data_dir.is_dir():
            raise BackupError(f"There is no folder {data_dir}: run site.yml on this host first.")
        self._data_dir = data_dir
        self._database = data_dir / DATABASE

    def voices(self) -> VoiceStates:
        """See ``VoiceBackups``."""
        return backup_database.voices_in(self._database)

    def pack(self, target: BinaryIO) -> int:
        """See ``VoiceBackups``."""
        if not self._database.exists():
            raise BackupError(f"There is no database {self._database}: the voice entry has never run on this host.")
        with tempfile.TemporaryDirectory(dir=self._data_dir, prefix=".backup-") as folder:
            copy = Path(folder) / DATABASE
            backup_database.snapshot(self._database, copy)
            with writing(target) as archive:
                for voice_id in sorted(backup_database.voices_in(copy)):
                    if not archive.add_voice(self._data_dir / "voices" / voice_id):
                        # Deleted since the snapshot.
                        backup_database.forget(copy, voice_id)
                held = len(backup_database.voices_in(copy))
                archive.finish(copy, held)
        return held

    @contextmanager
    def staged(self, source: BinaryIO) -> Iterator[StagedFolder]:
        """See ``VoiceBackups``."""
        with tempfile.TemporaryDirectory(dir=self._data_dir, prefix=".restore-") as folder:
            extract(source, Path(folder))
            yield StagedFolder(Path(folder), self._data_dir)


class StagedFolder:
    """An extracted archive; implements ``StagedVoices``.

    Args:
        folder: where it was extracted, on the disk of ``data_dir``.
        data_dir: the entry's folder.

    Raises:
        BackupError: something that belongs to a voice is missing, or the database is damaged.
    """

    def __init__(self, folder: Path, data_dir: Path) -> None:
        self._folder = folder
        self._data_dir = data_dir
        self._voices = backup_database.voices_in(folder / DATABASE)
        for voice_id, voice in self._voices.items():
            needed = f"{voice_id}/{REFERENCE if voice.status == 'ready' else UPLOAD}"
            if voice.status != "failed" and not (folder / "voices" / needed).is_file():
                raise BackupError(f"The archive is damaged: it lacks {needed}.")

    @property
    def voices(self) -> VoiceStates:
        """See ``StagedVoices``."""
        return self._voices

    def put_in_place(self) -> None:
        """See ``StagedVoices``."""
        try:
            with own_folder(self._data_dir, entry="voice"):
                self._exchange()
        except SecondGatewayError as error:
            raise entry_is_running() from error

    def _exchange(self) -> None:
        backup_database.close(self._data_dir / DATABASE)
        target = self._data_dir / "voices"
        target.mkdir(mode=0o755, exist_ok=True)
        for voice in sorted((self._folder / "voices").glob("*")):
            place = target / voice.name
            place.mkdir(mode=0o755, exist_ok=True)
            for path in sorted(voice.iterdir()):
                path.replace(place / path.name)
            sync_folder(place)
        sync_folder(target)
        (self._folder / DATABASE).replace(self._data_dir / DATABASE)
        sync_folder(self._data_dir)
