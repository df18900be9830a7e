"""Writes all voices of an entry to one archive, and restores them from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from gateway.domain.voice.backup import BackupError, VoiceBackups


@dataclass(frozen=True)
class BackupReport:
    """The effect of an export or an import.

    Attributes:
        voices: the number of voices in the archive.
        different: whether the entry had other voices than the archive.
        replaced: the number of voices that the archive lacks, and that are deleted.
    """

    voices: int
    different: bool = False
    replaced: int = 0


def export_voices(backups: VoiceBackups, target: BinaryIO, *, dry_run: bool) -> BackupReport:
    """Write the archive, or with ``dry_run`` count its voices.

    Raises:
        BackupError: there are no voices to be found, or their database can't be read.
        OSError: the disk is full.
    """
    return BackupReport(len(backups.voices()) if dry_run else backups.pack(target))


def import_voices(backups: VoiceBackups, source: BinaryIO, *, overwrite: bool, dry_run: bool) -> BackupReport:
    """Replace the voices of the entry, which must not run meanwhile, with the archive's.

    Args:
        backups: the entry's voices.
        source: the archive.
        overwrite: whether other voices of the entry may be deleted.
        dry_run: check the archive and report; change nothing.

    Raises:
        BackupError: the archive or the folder can't be used, voices would be lost, or the entry is running.
        OSError: the disk is full.
    """
    with backups.staged(source) as staged:
        new, old = staged.voices, backups.voices()
        lost = len(old.keys() - new.keys())
        if new == old:
            return BackupReport(len(new))
        if old and not overwrite:
            raise BackupError(
                f"This host has {len(old)} voices already, {lost} of them not in the archive; nothing was changed. "
                "To have the archive's instead, run this again with -e restore_overwrite=true "
                "(make a backup before)."
            )
        if not dry_run:
            staged.put_in_place()
    return BackupReport(len(new), different=True, replaced=lost)
