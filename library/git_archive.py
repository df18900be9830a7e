#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ansible module `git_archive`: unpacks a source archive and proves that it holds exactly one commit's files."""

from __future__ import annotations

DOCUMENTATION = r"""
module: git_archive
short_description: Unpack a source archive whose content is pinned
description:
  - Unpacks a tar archive as forges make it, without its first folder, and computes the id that git gives to such a tree
    of files. It is moved to its final path only if that is the expected one.
  - So one pin works for every mirror and every compression, and remains valid when a forge packs the commit again.
  - The files are unpacked beside the final path and renamed at the end, so an interrupted run leaves nothing partial.
  - Nothing is done where the path already holds that tree, by the record beside it. In check mode the archive is not
    opened.
options:
  archive:
    description: The tar file on the host, with any compression that Python knows.
    type: path
    required: true
  path:
    description: The folder to unpack to. Existing content is replaced.
    type: path
    required: true
  tree:
    description: The tree id of the commit, C(git rev-parse COMMIT^{tree}).
    type: str
    required: true
  submodules:
    description: Commits of the tree's submodules by their paths. Their folders are empty in an archive.
    type: dict
    default: {}
extends_documentation_fragment: twinport.no_diff
"""

EXAMPLES = r"""
- name: Unpack the source
  git_archive:
    archive: /opt/build/source.tar.gz
    path: /opt/build/source
    tree: 121f0b32a85bcbcee6a3260605883734270a5c17
    submodules:
      third_party/Matcha-TTS: dd9105b34bf2be2230f4aa1e4769fb586a3c824e
"""

RETURN = r"""
tree:
  description: The tree id of the files at I(path).
  returned: success
  type: str
"""

import hashlib
import os
import shutil
import tarfile
import tempfile
from pathlib import Path, PurePosixPath
from typing import List, Mapping, Optional, Tuple

from ansible.module_utils.basic import AnsibleModule

_MOST_BYTES = 4 * 2**30
_MOST_FILES = 200000


class ArchiveError(ValueError):
    """The archive is not as expected; the text is for the user."""


def _place(member: tarfile.TarInfo) -> Optional[PurePosixPath]:
    """The member's path without the archive's first folder, or None for that folder itself. Raises ArchiveError."""
    parts = PurePosixPath(member.name).parts
    if parts[:1] == (".",):
        parts = parts[1:]
    if member.name.startswith("/") or ".." in parts:
        raise ArchiveError("The archive has a file outside its folder: %s" % member.name)
    return PurePosixPath(*parts[1:]) if len(parts) > 1 else None


def unpack(archive: str, folder: Path) -> None:
    """Unpack files, folders and symbolic links, nothing else. Raises ArchiveError, tarfile.TarError, OSError."""
    left_bytes, left_files = _MOST_BYTES, _MOST_FILES
    links: List[Tuple[Path, str]] = []
    with tarfile.open(str(archive)) as tar:
        for member in tar:
            place = _place(member)
            left_bytes -= max(0, member.size)
            left_files -= 1
            if left_bytes < 0 or left_files < 0:
                raise ArchiveError("The archive is larger than any source can be.")
            if place is None:
                continue
            target = Path(folder) / place
            if member.issym():
                links.append((target, member.linkname))
            elif member.isdir():
                target.mkdir(parents=True, exist_ok=True)
            elif member.isfile():
                _write(tar, member, target)
            else:
                raise ArchiveError("The archive has something that is neither file, folder nor link: %s" % member.name)
    # Last, so that no file can be written through one.
    for target, name in links:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(name)


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    content = tar.extractfile(member)
    if content is None:
        raise ArchiveError("The archive has no content for %s" % member.name)
    with content, target.open("xb") as file:
        shutil.copyfileobj(content, file)
    target.chmod(0o755 if member.mode & 0o100 else 0o644)


def tree_id(folder: Path, submodules: Mapping[str, str]) -> str:
    """The id that git gives to a folder's files; `submodules` are commits by their paths below it."""
    found = _tree(Path(folder), PurePosixPath(), {PurePosixPath(path): commit for path, commit in submodules.items()})
    return found or _object(b"tree", b"")


def _tree(folder: Path, place: PurePosixPath, submodules: Mapping[PurePosixPath, str]) -> Optional[str]:
    entries = []
    for path in folder.iterdir():
        below = place / path.name
        name = os.fsencode(path.name)
        if below in submodules:
            entries.append((name + b"/", b"160000 " + name, submodules[below]))
        elif path.is_symlink():
            target = os.fsencode(os.readlink(str(path)))  # noqa: PTH115 - Path.readlink came with Python 3.9
            entries.append((name, b"120000 " + name, _object(b"blob", target)))
        elif path.is_dir():
            tree = _tree(path, below, submodules)
            if tree is not None:
                # Git sorts a folder as if its name ended in a slash.
                entries.append((name + b"/", b"40000 " + name, tree))
        else:
            mode = b"100755 " if path.stat().st_mode & 0o100 else b"100644 "
            entries.append((name, mode + name, _object(b"blob", path.read_bytes())))
    if not entries:
        return None
    return _object(b"tree", b"".join(head + b"\0" + bytes.fromhex(object_id) for _, head, object_id in sorted(entries)))


def _object(kind: bytes, content: bytes) -> str:
    return hashlib.sha1(kind + b" %d\0" % len(content) + content).hexdigest()  # noqa: S324 - git's own object id


def note_of(path: Path) -> Path:
    """The file beside the folder that records which tree was unpacked."""
    return path.with_name(path.name + ".tree")


def is_there(path: Path, tree: str) -> bool:
    """Whether `path` holds `tree`, by the record that was written when it was unpacked."""
    try:
        return path.is_dir() and note_of(path).read_text().strip() == tree
    except OSError:
        return False


def put(archive: str, path: Path, tree: str, submodules: Mapping[str, str]) -> None:
    """Unpack beside `path`, verify, rename. Raises ArchiveError, tarfile.TarError, OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=path.name + ".", dir=str(path.parent)))
    try:
        unpack(archive, beside)
        found = tree_id(beside, submodules)
        if found != tree:
            raise ArchiveError("The archive holds tree %s instead of %s. Is it of another commit?" % (found, tree))
        beside.chmod(0o755)
        if note_of(path).exists():
            note_of(path).unlink()
        if path.exists():
            shutil.rmtree(str(path))
        beside.rename(path)
        note_of(path).write_text(tree + "\n")
    finally:
        shutil.rmtree(str(beside), ignore_errors=True)


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={
            "archive": {"type": "path", "required": True},
            "path": {"type": "path", "required": True},
            "tree": {"type": "str", "required": True},
            "submodules": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    path, tree = Path(module.params["path"]), module.params["tree"]
    changed = not is_there(path, tree)
    if changed and not module.check_mode:
        try:
            put(module.params["archive"], path, tree, module.params["submodules"])
        except (ArchiveError, tarfile.TarError, OSError) as error:
            module.fail_json(msg="%s could not be unpacked: %s" % (module.params["archive"], error))
    module.exit_json(changed=changed, tree=tree)


if __name__ == "__main__":
    main()
