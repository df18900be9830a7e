"""A backup of all voices of an entry: its content, and the ports that write and read it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO, Protocol


class BackupError(Exception):
    """A sentence for the user: what is wrong and what to do."""


def entry_is_running() -> BackupError:
    """The voices can't be replaced while a gateway uses them."""
    return BackupError("The voice gateway is running; nothing was changed. Stop it, then run this again.")


@dataclass(frozen=True)
class VoiceState:
    """What distinguishes a voice's versions."""

    status: str
    reference_sha256: str
    name: str
    updated_at: str


VoiceStates = Mapping[str, VoiceState]


class StagedVoices(Protocol):
    """The voices of an archive, checked and extracted beside those in use.

    Attributes:
        voices: the state of each, by id.
    """

    @property
    def voices(self) -> VoiceStates: ...

    def put_in_place(self) -> None:
        """Replace the entry's voices with these, the database last and in one step.

        Raises:
            BackupError: the entry is running.
            OSError: the disk is full.
        """
        ...


class VoiceBackups(Protocol):
    """The voices of one entry, as a whole."""

    def voices(self) -> VoiceStates:
        """The state of each voice by id; empty where the entry has none yet.

        Raises:
            BackupError: the database is damaged or not a voice entry's.
        """
        ...

    def pack(self, target: BinaryIO) -> int:
        """Write a consistent archive, whether the entry runs or not; returns the number of voices in it.

        Raises:
            BackupError: there is no database, or it can't be read.
            OSError: the disk is full.
        """
        ...

    def staged(self, source: BinaryIO) -> AbstractContextManager[StagedVoices]:
        """Check an archive and extract it beside the voices in use; leaving removes what was not moved into place.

        Raises:
            BackupError: the archive is damaged, is not a backup, or does not fit on the disk.
            OSError: the disk is full.
        """
        ...
