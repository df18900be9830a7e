"""The folder that engine and gateway share, and who writes to it.

=================  ==========================================================================
``<name>``         uploads, under the names that ``/upload`` answered with
``.names/``        names that uploads were sent under, where they are too long for a file's name
``inputs/<key>/``  a live task's inputs: the uploads as they were submitted, and as the engine gets them
``outputs/``       finished videos, ``<key>-r.mp4``
``temp/``          the engine's: results and work folders of the attempts
``result/, log/``  the engine's
=================  ==========================================================================
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Collection, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from shutil import disk_usage

from gateway.domain.object_store import StoredObject
from gateway.domain.storage import storage_errors
from gateway.domain.video.file_names import (
    ENGINE_FOLDERS,
    ENGINE_ROOT,
    FOLDER_TAG,
    MAX_REQUESTED_CHARS,
    OUR_FOLDERS,
    requested_name,
    requested_names,
    tagged,
    upload_names,
)
from gateway.domain.video.ports import DiskSpace, Inputs, Sees, StoredFile, everything
from gateway.domain.video.task import RESULT_SUFFIX, Task, task_key
from gateway.infrastructure.files import (
    discard,
    discard_folder,
    make_folder,
    publish,
    sweep_temporary,
    sync_file,
    sync_folder,
    temporary_path,
)
from gateway.infrastructure.folder_store import FolderStore, link_or_copy
from gateway.infrastructure.video.sent_names import SentNames, SimilarNames


class MediaFolderError(RuntimeError):
    """The folder that engine and gateway share is unusable; the text says why."""


class MediaFolder:
    """The shared folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.inputs = root / "inputs"
        self.outputs = root / "outputs"
        self.temp = root / "temp"
        self._store = FolderStore(root)
        self._known_durable: set[Path] = set()
        self._sent = SentNames(root / ".names")
        self._similar = SimilarNames(root)

    def prepare(self) -> None:
        """Create all folders, the engine's too, which fails without them; durably, as they hold what is promised.

        Raises:
            MediaFolderError: they can't be created or written.
        """
        for folder in (self.root, *(self.root / name for name in (*ENGINE_FOLDERS, *OUR_FOLDERS))):
            if folder in self._known_durable and folder.is_dir():
                continue
            try:
                make_folder(folder)
                self._known_durable.add(folder)
            except OSError as error:
                raise MediaFolderError(f"the media folder can't be used: {error}; check its mount and owner") from error
        for folder in (self.root, self.inputs, self.outputs):
            if not os.access(folder, os.W_OK):
                raise MediaFolderError(f"{folder} must be writable by user id {os.geteuid()}")

    def sweep(self) -> int:
        """Delete unfinished files of a crash; returns the number of files."""
        return sweep_temporary(self.root)

    def space(self) -> DiskSpace:
        """Free and total bytes of the file system."""
        usage = disk_usage(self.root)
        return DiskSpace(free=usage.free, total=usage.total)

    def find(self, path: Path) -> StoredFile | None:
        """A regular file's facts; None for links, folders and missing files."""
        return stored_file(path)

    def inputs_of(self, key: str) -> Inputs:
        """The paths of a task's inputs."""
        folder = self.inputs / key
        return Inputs(
            folder, folder / "uploaded_audio", folder / "uploaded_video", folder / "audio.wav", folder / "video.mp4"
        )

    def engine_path(self, path: Path) -> str:
        """The engine's name of a file of this folder."""
        return str(ENGINE_ROOT / path.relative_to(self.root))

    def output(self, task: Task) -> Path:
        """The path of a task's finished video."""
        return self.outputs / task.result_name

    def result_of(self, task: Task) -> StoredFile | None:
        """The finished video of a task."""
        return stored_file(self.output(task))

    def attempt_result(self, engine_code: str) -> StoredFile | None:
        """The video that the engine wrote for an attempt."""
        return stored_file(self.engine_result(engine_code))

    def engine_result(self, engine_code: str) -> Path:
        """The path where the engine writes the video of an attempt."""
        return self.temp / f"{engine_code}{RESULT_SUFFIX}"

    def find_upload(self, url: str, *, tag: str = "", sees: Sees = everything) -> Path | None:
        """An input as a request names it: what ``/upload`` answered, the name that was sent, or a file in `temp`."""
        paths = (file.path for file in self._requested(url, tag, unfinished=()) if sees(file.name))
        return next(paths, None)

    def find_download(
        self, path: str, *, unfinished: Collection[str] = (), tag: str = "", sees: Sees = everything
    ) -> StoredFile | None:
        """The file that a download requests: a finished video, else an upload, else a file in `temp`."""
        for meant in requested_names(path[:MAX_REQUESTED_CHARS]):
            for name in self._result_names(meant):
                found = stored_file(self.outputs / name)
                if found is not None and sees(name):
                    return found
        return next((file for file in self._requested(path, tag, unfinished=unfinished) if sees(file.name)), None)

    def _result_names(self, meant: str) -> Iterator[str]:
        if (name := requested_name(meant)) is not None:
            if name.endswith(RESULT_SUFFIX):
                yield task_key(name.removesuffix(RESULT_SUFFIX)) + RESULT_SUFFIX
            yield name

    def _requested(self, path: str, tag: str, *, unfinished: Collection[str]) -> Iterator[StoredFile]:
        """The uploads and the engine's files that a request can mean, the likeliest first."""
        literal = requested_name(path)
        in_temp = None if literal is None or literal.removesuffix(RESULT_SUFFIX) in unfinished else self.temp / literal
        paths: Iterator[Path] = (self.root / name for name in upload_names(path, tag))
        if in_temp is not None and (path == literal or "temp/" in path):  # as the engine reads it
            paths = chain((in_temp,), paths)
        elif in_temp is not None:
            paths = chain(paths, (in_temp,))
        yield from filter(None, map(stored_file, paths))
        if len(path) > MAX_REQUESTED_CHARS:
            return
        with storage_errors():
            similar = self._similar.like(requested_name(meant) or meant for meant in requested_names(path))
        yield from filter(None, (stored_file(self.root / name) for name in similar))

    def has_upload(self, name: str) -> bool:
        """Whether there is an upload of exactly this stored name, or a file of the engine's."""
        return any(stored_file(folder / name) for folder in (self.root, self.temp))

    def store_upload(self, temporary: Path, name: str, *, sent: str) -> str:
        """Give a received upload its name, in place of an older one of that name; returns the name.

        Args:
            sent: the client's name for it; empty where it sent none.

        Raises:
            StorageError: the disk is full, broken or read-only.
        """
        with storage_errors():
            temporary.chmod(0o644)
        if (self.root / name).is_dir() and not (self.root / name).is_symlink():
            name = tagged(name, FOLDER_TAG)
        self._sent.note(name, sent)
        self._store.put(temporary, name)
        return name

    def sent_name(self, stored: str) -> str:
        """The name that an upload was sent under, by its stored one."""
        return self._sent.of(stored)

    def hold_inputs(self, key: str, audio: Path, video: Path) -> None:
        """Keep the current inputs, whatever happens to the uploads afterwards.

        Raises:
            FileNotFoundError: an upload vanished meanwhile.
            StorageError: the disk is full, broken or read-only.
        """
        inputs = self.inputs_of(key)
        with storage_errors():
            for path in (audio, video):
                with suppress(PermissionError):
                    sync_file(path)  # others than we put files here too
            inputs.folder.mkdir(exist_ok=True)
            self._store.copy(self._key(audio), self._key(inputs.uploaded_audio))
            self._store.copy(self._key(video), self._key(inputs.uploaded_video))
            for path in (audio, video):
                with suppress(PermissionError):
                    os.utime(path)  # what is used is kept
            sync_folder(self.inputs)

    def digest(self, path: Path) -> str:
        """SHA-256 of a file's content, hexadecimal; empty where there is no such file.

        Raises:
            StorageError: the disk can't be read.
        """
        try:
            with storage_errors(), path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            return ""

    def is_same_file(self, one: Path, other: Path) -> bool:
        """Whether both names are of one file, so that their content is the same; false where either is missing."""
        with suppress(OSError):
            return one.samefile(other)
        return False

    def drop_inputs(self, key: str) -> None:
        """Delete a task's inputs."""
        discard_folder(self.inputs / key)

    def drop_output(self, key: str) -> None:
        """Delete a finished video that an expired task of the same code left."""
        self._store.delete(f"outputs/{key}{RESULT_SUFFIX}")

    def drop_attempt(self, engine_code: str) -> None:
        """Delete what an attempt left in the engine's folder."""
        with suppress(OSError):
            self.engine_result(engine_code).unlink(missing_ok=True)
        shutil.rmtree(self.temp / engine_code, ignore_errors=True)
        for leftover in (f"{engine_code}_format.mp4", f"{engine_code}_format.wav"):
            with suppress(OSError):
                (self.temp / leftover).unlink(missing_ok=True)

    def adopt_result(self, engine_code: str, task: Task) -> None:
        """Move a finished video out of the engine's folder, durably.

        Raises:
            StorageError: the engine's file is still there.
        """
        self._store.put(self.engine_result(engine_code), self._key(self.output(task)))

    def _key(self, path: Path) -> str:
        return str(path.relative_to(self.root))

    def temporary(self, target: Path) -> Path:
        """A fresh name beside the target."""
        return temporary_path(target.parent)

    def discard(self, temporary: Path) -> None:
        """Delete a file being made, unless it was published."""
        discard(temporary)

    def publish(self, temporary: Path, target: Path) -> None:
        """Give a finished file its name, durably.

        Raises:
            StorageError: the temporary file is left to the caller.
        """
        publish(temporary, target)

    def link(self, source: Path, target: Path) -> None:
        """Give a file a second name, durably; a copy where it is another user's file.

        Raises:
            FileNotFoundError: there is no such file.
            StorageError: the disk is full, broken or read-only.
        """
        link_or_copy(source, target)

    def uploads(self) -> Iterator[StoredFile]:
        """All uploads."""
        return map(self._described, self._store.list())

    def results(self) -> Iterator[StoredFile]:
        """All finished videos."""
        return map(self._described, self._store.list("outputs"))

    def held_inputs(self) -> Iterator[StoredFile]:
        """The folders of held inputs; `modified` is the folder's own."""
        for path in self.inputs.iterdir():
            with suppress(FileNotFoundError):
                found = path.lstat()
                yield StoredFile(path, path.name, found.st_size, found.st_mtime)

    def engine_leftovers(self) -> Iterator[StoredFile]:
        """The content of `temp`, each file or folder with its total size and its latest change."""
        return map(measured, self.temp.iterdir())

    def remove(self, file: StoredFile) -> bool:
        """Delete a file or folder with its content; false if some of it remains."""
        if file.path.is_dir() and not file.path.is_symlink():
            shutil.rmtree(file.path, ignore_errors=True)
        else:
            with suppress(OSError):
                file.path.unlink(missing_ok=True)
        if file.path.parent == self.root:
            self._sent.forget(file.name)
        return not file.path.exists()

    def _described(self, found: StoredObject) -> StoredFile:
        return StoredFile(self._store.path(found.key), found.name, found.size, found.modified)


def stored_file(path: Path) -> StoredFile | None:
    """A regular file's facts; None for links, folders and what is not there.

    Raises:
        StorageError: the disk can't be asked.
    """
    try:
        with storage_errors():
            found = path.lstat()
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return StoredFile(path, path.name, found.st_size, found.st_mtime)


def measured(path: Path) -> StoredFile:
    """A file, or a folder with all that is in it: its total size and its latest change."""
    size, modified = 0, 0.0
    within = [Path(folder, name) for folder, folders, files in os.walk(path) for name in (*folders, *files)]
    for part in (path, *([] if path.is_symlink() else within)):
        with suppress(OSError):  # an engine may be deleting it
            found = part.lstat()
            size, modified = size + found.st_size, max(modified, found.st_mtime)
    return StoredFile(path, path.name, size, modified)
