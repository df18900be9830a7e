"""The media folder as callers see it: each finds, uses and replaces only what is its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from gateway.domain.access import NOBODY, Caller
from gateway.domain.video.file_names import owner_tag, stored_name, tagged
from gateway.domain.video.ports import MediaOwners, MediaStore, StoredFile
from gateway.domain.video.task import RESULT_SUFFIX


class MediaLibrary:
    """Media and their owners.

    Args:
        media: where the files lie.
        owners: whose they are, by name.
    """

    def __init__(self, media: MediaStore, owners: MediaOwners) -> None:
        self._media = media
        self._owners = owners

    async def store_upload(self, temporary: Path, sent: str, *, fallback: str, caller: Caller) -> str:
        """Give a received upload its name, in place of the caller's older one of that name; returns the stored name.

        Args:
            temporary: the received file.
            sent: the client's name for it, or nothing.
            fallback: the name it gets where the client has none, or can't have its own.
            caller: whose it is.

        Raises:
            StorageError: the disk or the database does not work.
        """
        name = self._chosen_name(sent, fallback, caller)
        # Noted before the file can be seen, and again for the case that retention has deleted an older one meanwhile.
        await self._owners.note(name, caller.owner)
        stored = await asyncio.to_thread(self._media.store_upload, temporary, name, sent=sent)
        await self._owners.note(stored, caller.owner)
        return stored

    def _chosen_name(self, sent: str, fallback: str, caller: Caller) -> str:
        """The plain name, or where somebody else has that, one of the caller's own, and then always that one."""
        if not sent:
            return fallback
        plain = stored_name(sent)
        tag = owner_tag(caller.owner)
        if not tag:
            return plain
        own = tagged(plain, tag)
        if self._is_free(plain, caller) and not (self._media.has_upload(own) and caller.owns(self._owners.of(own))):
            return plain
        return own if self._is_free(own, caller) else fallback

    def _is_free(self, name: str, caller: Caller) -> bool:
        owner = self._owners.of(name)
        return caller.owns(owner) or (owner == NOBODY and not self._media.has_upload(name))

    def find_upload(self, url: str, caller: Caller) -> Path | None:
        """The caller's input that a request names."""
        return self._media.find_upload(url, tag=owner_tag(caller.owner), sees=self._seen_by(caller))

    def find_download(self, path: str, caller: Caller, *, unfinished: Collection[str]) -> StoredFile | None:
        """The caller's file that a download asks for.

        Args:
            path: in any spelling.
            caller: who asks.
            unfinished: engine codes whose results are still being written, and so are not found.
        """
        tag, sees = owner_tag(caller.owner), self._seen_by(caller)
        return self._media.find_download(path, unfinished=unfinished, tag=tag, sees=sees)

    def sent_name(self, file: StoredFile) -> str:
        """The name that a file is downloaded under: for an upload, the one it was sent under."""
        return self._media.sent_name(file.name)

    def _seen_by(self, caller: Caller) -> Callable[[str], bool]:
        return lambda name: caller.may_see(self._owners.of(name))

    async def claim_result(self, key: str, caller: Caller) -> None:
        """Record whose the video of a task will be.

        Raises:
            StorageError: the disk or the database does not work.
        """
        await self._owners.note(key + RESULT_SUFFIX, caller.owner)

    async def forget(self, removed: Iterable[StoredFile]) -> None:
        """Forget the owners of files that were deleted and have not come back."""
        await self._owners.forget([file.name for file in removed if self._media.find(file.path) is None])
