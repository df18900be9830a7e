"""The folder that engine and gateway share: who writes what where, and which names a stranger may ask for.

=================  ==========================================================================
``<name>``         uploads, under the names that ``/upload`` answered with
``inputs/<key>/``  a live task's inputs: the uploads as they were submitted, and as the engine gets them
``outputs/``       finished videos, ``<key>-r.mp4``
``temp/``          the engine's: results and work folders of the attempts
``result/, log/``  the engine's
=================  ==========================================================================
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gateway.domain.task import RESULT_SUFFIX, Task, task_key
from gateway.infrastructure.files import disk_full_is_507, publish, sync_folder, temporary_path

ENGINE_ROOT = PurePosixPath("/code/data")
ENGINE_FOLDERS = ("temp", "result", "log")
OUR_FOLDERS = ("inputs", "outputs")
MAX_NAME_BYTES = 200
DEFUSED_SUFFIX = "-r_.mp4"
# What the client tries one after the other, all for the same file; the longest first.
DOWNLOAD_PREFIXES = ("/code/data/temp/", "code/data/temp/", "/code/data/", "code/data/", "/temp/", "temp/", "/")
_HOSTILE = re.compile(r"[^\w.\-() ]")
_NOT_OURS = (errno.EPERM, errno.EACCES, errno.EXDEV, errno.EMLINK)


@dataclass(frozen=True)
class Inputs:
    """Paths of one task's inputs; `audio` and `video` are what the engine gets."""

    folder: Path
    uploaded_audio: Path
    uploaded_video: Path
    audio: Path
    video: Path


@dataclass(frozen=True)
class StoredFile:
    """A file that may be fetched or listed; `modified` in Unix seconds."""

    path: Path
    name: str
    size: int
    modified: float


def safe_name(filename: str, *, fallback: str) -> str:
    """The name to store an upload under: the client's own where that is harmless.

    Folders, control characters and all that a shell could read as more than a name are taken out; the ending stays.
    """
    base = unicodedata.normalize("NFC", filename).replace("\\", "/").rsplit("/", 1)[-1]
    stem, dot, ending = _HOSTILE.sub("_", base).rstrip(" .").lstrip(" .-").rpartition(".")
    name = _shortened(stem, dot + ending) if dot else _shortened(ending, "")
    if name.endswith(RESULT_SUFFIX):  # never to be taken for a finished video; told last, as shortening can make one
        name = _shortened(name.removesuffix(RESULT_SUFFIX), DEFUSED_SUFFIX)
    return fallback if not name or name.lower() in {*ENGINE_FOLDERS, *OUR_FOLDERS} else name


def _shortened(stem: str, ending: str) -> str:
    """Both as one name that is short enough; nothing where the ending alone is too long."""
    room = MAX_NAME_BYTES - len(ending.encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip() + ending if room > 0 else ""


def asked_name(path: str) -> str | None:
    """The file name that a download asks for, in any of the client's spellings; None for anything else."""
    for prefix in DOWNLOAD_PREFIXES:
        if path.startswith(prefix):
            path = path[len(prefix) :]
            break
    hidden = path.startswith(".") and not path.endswith(RESULT_SUFFIX)  # unfinished files begin with a dot
    if not path or hidden or "/" in path or "\\" in path or "\0" in path:
        return None
    return path if len(path.encode(errors="replace")) <= 255 else None


class MediaFolderError(RuntimeError):
    """The folder that engine and gateway share can't be used; the text says why."""


class MediaFolder:
    """The shared folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.inputs = root / "inputs"
        self.outputs = root / "outputs"
        self.temp = root / "temp"

    def prepare(self) -> None:
        """Make all folders, the engine's too: it fails without them.

        Raises:
            MediaFolderError: they can't be made or written.
        """
        for folder in (self.root, *(self.root / name for name in (*ENGINE_FOLDERS, *OUR_FOLDERS))):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise MediaFolderError(f"the media folder can't be used: {error}; check its mount and owner") from error
        for folder in (self.root, self.inputs, self.outputs):
            if not os.access(folder, os.W_OK):
                raise MediaFolderError(f"{folder} must be writable by user id {os.geteuid()}")

    def inputs_of(self, key: str) -> Inputs:
        """Where a task's inputs lie."""
        folder = self.inputs / key
        return Inputs(
            folder, folder / "uploaded_audio", folder / "uploaded_video", folder / "audio.wav", folder / "video.mp4"
        )

    def engine_path(self, path: Path) -> str:
        """How the engine calls a file of this folder."""
        return str(ENGINE_ROOT / path.relative_to(self.root))

    def output(self, task: Task) -> Path:
        """Where the finished video of a task lies."""
        return self.outputs / task.result_name

    def engine_result(self, engine_code: str) -> Path:
        """Where the engine leaves the video of an attempt."""
        return self.temp / f"{engine_code}{RESULT_SUFFIX}"

    def find_upload(self, url: str) -> Path | None:
        """An input as a request names it: what ``/upload`` answered, or a bare name in `temp` as the engine has it."""
        name = asked_name(url)
        if name is None:
            return None
        folders = (self.temp, self.root) if url == name or "temp/" in url else (self.root, self.temp)
        return next((folder / name for folder in folders if is_plain_file(folder / name)), None)

    def find_download(self, path: str) -> StoredFile | None:
        """The file that a download asks for: a finished video, else an upload, else what lies in `temp`."""
        name = asked_name(path)
        if name is None:
            return None
        candidates = [self.outputs / name, self.root / name, self.temp / name]
        if name.endswith(RESULT_SUFFIX):
            candidates.insert(0, self.outputs / (task_key(name.removesuffix(RESULT_SUFFIX)) + RESULT_SUFFIX))
        return next((found for found in map(stored_file, candidates) if found), None)

    def store_upload(self, temporary: Path, name: str, *, fallback: str) -> str:
        """Give a received upload its name, in place of an older one of that name; returns the name.

        Args:
            fallback: the name it gets where a folder has the other.

        Raises:
            GatewayError: ``storage_full`` (507).
        """
        temporary.chmod(0o644)
        if (self.root / name).is_dir() and not (self.root / name).is_symlink():
            name = fallback
        publish(temporary, self.root / name)
        return name

    def hold_inputs(self, key: str, audio: Path, video: Path) -> None:
        """Keep the inputs as they are now, whatever happens to the uploads afterwards.

        Raises:
            FileNotFoundError: an upload vanished meanwhile.
            GatewayError: ``storage_full`` (507).
        """
        inputs = self.inputs_of(key)
        with disk_full_is_507():
            inputs.folder.mkdir(exist_ok=True)
            link_or_copy(audio, inputs.uploaded_audio)
            link_or_copy(video, inputs.uploaded_video)
            for path in (audio, video):
                with suppress(PermissionError):
                    os.utime(path)  # what is used is kept
            sync_folder(self.inputs)

    def drop_inputs(self, key: str) -> None:
        """Let go of a task's inputs."""
        shutil.rmtree(self.inputs / key, ignore_errors=True)

    def drop_output(self, key: str) -> None:
        """Delete a finished video that an expired task of the same code left."""
        (self.outputs / f"{key}{RESULT_SUFFIX}").unlink(missing_ok=True)

    def drop_attempt(self, engine_code: str) -> None:
        """Delete what an attempt left in the engine's folder."""
        with suppress(OSError):
            self.engine_result(engine_code).unlink(missing_ok=True)
        shutil.rmtree(self.temp / engine_code, ignore_errors=True)
        for leftover in (f"{engine_code}_format.mp4", f"{engine_code}_format.wav"):
            with suppress(OSError):
                (self.temp / leftover).unlink(missing_ok=True)

    def adopt_result(self, engine_code: str, task: Task) -> None:
        """Move a finished video out of the engine's reach, durably.

        Raises:
            GatewayError: ``storage_full`` (507); the engine's file is still there.
        """
        source, target = self.engine_result(engine_code), self.output(task)
        try:
            publish(source, target)
        except PermissionError:
            # The engine's folder is root's alone: copy.
            temporary = temporary_path(self.outputs)
            try:
                with disk_full_is_507():
                    shutil.copyfile(source, temporary)
                publish(temporary, target)
            finally:
                temporary.unlink(missing_ok=True)

    def uploads(self) -> Iterator[StoredFile]:
        """All uploads."""
        return _files(self.root)

    def results(self) -> Iterator[StoredFile]:
        """All finished videos."""
        return _files(self.outputs)


def _files(folder: Path) -> Iterator[StoredFile]:
    for path in folder.iterdir():
        found = stored_file(path)
        if found is not None and not found.name.startswith("."):
            yield found


def is_plain_file(path: Path) -> bool:
    """Whether there is a regular file of that name, and no link in its place."""
    return stored_file(path) is not None


def stored_file(path: Path) -> StoredFile | None:
    """A regular file's facts; None for links, folders and what is not there."""
    try:
        found = path.lstat()
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return StoredFile(path, path.name, found.st_size, found.st_mtime)


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name, durably, in place of what has that name; a copy where it is another user's file.

    Raises:
        FileNotFoundError: there is no such file.
        GatewayError: ``storage_full`` (507).
    """
    target.unlink(missing_ok=True)
    try:
        with disk_full_is_507():
            os.link(source, target, follow_symlinks=False)
            sync_folder(target.parent)
    except OSError as error:
        if error.errno not in _NOT_OURS:
            raise
        # Files that others put there can't be linked.
        temporary = temporary_path(target.parent)
        try:
            with disk_full_is_507():
                shutil.copyfile(source, temporary)
            publish(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
