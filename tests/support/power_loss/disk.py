"""What is on a disk after a power cut, by the rules of ext4 and xfs, from the record of what processes did to it.

What was synced is there. Of all else a file system keeps what it likes: names without content, a part of the sectors,
a later change without an earlier one. A rename is one step. A file's sync says nothing about its name: that is the
folder's.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from tests.support.power_loss.record import Event, Kind

SECTOR = 512


class Variant(StrEnum):
    """What becomes of the unsynced."""

    DROPPED = "dropped"  # nothing of it is there
    NAMES = "names"  # creates, renames, deletions and sizes are; data is not
    TORN = "torn"  # so too, with some sectors of the data
    REORDERED = "reordered"  # some of each, whatever came first


@dataclass(frozen=True)
class Change:
    """An unsynced change of a file: data at an offset, or a new size where there is no data."""

    at: int
    data: bytes | None


@dataclass(eq=False)
class File:
    """One file, whatever its names."""

    content: bytearray = field(default_factory=bytearray)
    synced: bytes = b""
    changes: list[Change] = field(default_factory=list)

    def change(self, change: Change) -> None:
        _apply(self.content, change)
        self.changes.append(change)

    def replace(self, content: bytes) -> None:
        if content != self.content:
            self.change(Change(0, None))
            self.change(Change(0, content))

    def sync(self) -> None:
        self.synced = bytes(self.content)
        self.changes.clear()

    def after(self, variant: Variant, chance: random.Random) -> bytes:
        """Its content after a cut."""
        left = bytearray(self.synced)
        if variant is Variant.REORDERED:
            variant = chance.choice([Variant.DROPPED, Variant.NAMES, Variant.TORN])
        for change in self.changes if variant is not Variant.DROPPED else ():
            if change.data is None:
                _apply(left, change)
            elif variant is Variant.TORN:
                for sector in _sectors(change):
                    if chance.random() < 0.5:
                        _apply(left, sector)
        return bytes(left)


@dataclass(eq=False)
class Folder:
    """One folder: its names now, and those that a sync made safe."""

    names: dict[str, File | Folder] = field(default_factory=dict)
    synced: dict[str, File | Folder] = field(default_factory=dict)


# One step of a folder or two: what a name stands for from now on; None: nothing.
Step = tuple[tuple[Folder, str, File | Folder | None], ...]


def _apply(content: bytearray, change: Change) -> None:
    end = change.at + len(change.data or b"")
    content.extend(bytes(max(0, end - len(content))))
    if change.data is None:
        del content[end:]
    else:
        content[change.at : end] = change.data


def _sectors(change: Change) -> Iterator[Change]:
    data, at = change.data or b"", change.at
    while data:
        size = SECTOR - at % SECTOR
        yield Change(at, data[:size])
        data, at = data[size:], at + size


class Disk:
    """Some folders, as recorded events leave them.

    Args:
        roots: absolute paths of folders that were there, empty, before the first event.
    """

    def __init__(self, roots: Iterable[Path]) -> None:
        self._roots = {root: Folder() for root in roots}
        self._steps: list[Step] = []

    def apply(self, event: Event) -> None:
        """Take one event over."""
        path = Path(event.path)
        match event.kind:
            case Kind.CREATE:
                self._file(path)
            case Kind.TRUNCATE:
                self._file(path).change(Change(event.at, None))
            case Kind.WRITE if not event.path.endswith(" (deleted)"):
                self._file(path).change(Change(event.at, event.data))
            case Kind.CONTENT:
                self._file(path).replace(event.data)
            case Kind.SYNC:
                self._sync(path)
            case Kind.LINK:
                self._step((*self._place(Path(event.other)), self._known(path)))
            case Kind.RENAME:
                node = self._known(path)
                self._step((*self._place(path), None), (*self._place(Path(event.other)), node))
            case Kind.UNLINK | Kind.RMDIR:
                self._step((*self._place(path), None))
            case Kind.MKDIR:
                self._step((*self._place(path), Folder()))

    def _place(self, path: Path) -> tuple[Folder, str]:
        """The folder that a path's last name is in; one that nobody was seen to make is made."""
        folder = self._roots.get(path.parent)
        if folder is None:
            within, name = self._place(path.parent)
            if name not in within.names:
                self._step((within, name, Folder()))
            found = within.names[name]
            assert isinstance(found, Folder), path
            folder = found
        return folder, path.name

    def _find(self, path: Path) -> File | Folder | None:
        if path in self._roots:
            return self._roots[path]
        folder, name = self._place(path)
        return folder.names.get(name)

    def _known(self, path: Path) -> File | Folder:
        return self._find(path) or self._file(path)

    def _file(self, path: Path) -> File:
        folder, name = self._place(path)
        if name not in folder.names:
            self._step((folder, name, File()))
        found = folder.names[name]
        assert isinstance(found, File), path
        return found

    def _step(self, *step: tuple[Folder, str, File | Folder | None]) -> None:
        _take((folder.names, name, node) for folder, name, node in step)
        self._steps.append(step)

    def _sync(self, path: Path) -> None:
        found = self._find(path)
        if isinstance(found, File):
            found.sync()
        elif isinstance(found, Folder):
            self._sync_names(found)

    def _sync_names(self, folder: Folder) -> None:
        """Make a folder's steps safe, and with each the earlier ones that the same names went through."""
        needed: set[tuple[int, str]] = set()
        kept: list[Step] = []
        for step in reversed(self._steps):
            keys = {(id(within), name) for within, name, _ in step}
            if keys & needed or any(within is folder for within, _, _ in step):
                needed |= keys
                kept.append(step)
        for step in reversed(kept):
            self._steps.remove(step)
            _take((within.synced, name, node) for within, name, node in step)

    def cut(self, variant: Variant, seed: object) -> dict[Path, Mapping[str, object]]:
        """What each root holds after a power cut now: bytes are files, mappings are folders.

        Args:
            variant: what becomes of the unsynced.
            seed: of the choice, where there is one.
        """
        chance = random.Random(f"{seed} {variant}")
        names = {id(folder): dict(folder.synced) for folder in self._folders()}
        for step in self._steps:
            if variant is Variant.DROPPED or (variant is Variant.REORDERED and chance.random() < 0.5):
                continue
            _take((names.setdefault(id(folder), {}), name, node) for folder, name, node in step)
        contents: dict[int, bytes] = {}  # a file may have several names

        def content(file: File) -> bytes:
            if id(file) not in contents:
                contents[id(file)] = file.after(variant, chance)
            return contents[id(file)]

        return {root: _tree(folder, names, content) for root, folder in self._roots.items()}

    def _folders(self) -> Iterator[Folder]:
        waiting: list[File | Folder] = [*self._roots.values()]
        seen: set[int] = set()
        while waiting:
            found = waiting.pop()
            if isinstance(found, Folder) and id(found) not in seen:
                seen.add(id(found))
                waiting.extend((*found.names.values(), *found.synced.values()))
                yield found


def _take(step: Iterable[tuple[dict[str, File | Folder], str, File | Folder | None]]) -> None:
    for names, name, node in step:
        if node is None:
            names.pop(name, None)
        else:
            names[name] = node


def _tree(
    folder: Folder, names: Mapping[int, dict[str, File | Folder]], content: Callable[[File], bytes]
) -> Mapping[str, object]:
    return {
        name: _tree(node, names, content) if isinstance(node, Folder) else content(node)
        for name, node in sorted(names.get(id(folder), {}).items())
    }


def write_tree(tree: Mapping[str, object], target: Path) -> None:
    """Put what a cut left into a folder."""
    target.mkdir(parents=True, exist_ok=True)
    for name, found in tree.items():
        if isinstance(found, bytes):
            (target / name).write_bytes(found)
        elif isinstance(found, Mapping):
            write_tree(found, target / name)
