#!/usr/bin/python
"""Ansible module: the voices of a voice entry, packed into one file and put back from it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: voice_archive
short_description: Pack the voices of a voice entry, and put them back
description:
  - "O(state=packed): takes a consistent snapshot of the entry's SQLite database while the entry runs, and packs it with
    the files of every voice. Speech that was made is left out; it is made again when it is asked for."
  - "O(state=unpacked): checks an archive member by member, then puts its voices in the place of those in O(data_dir).
    The entry must not run meanwhile. The database is exchanged last, in one step, so that an interrupted run leaves the
    old voices."
  - Needs nothing but Python's standard library with SQLite.
options:
  state: {description: What to do., type: str, choices: [packed, unpacked], required: true}
  archive: {description: The C(.tar.gz) file to write or to read., type: path, required: true}
  data_dir: {description: The entry's folder., type: path, required: true}
  overwrite:
    description: Whether voices that are not in the archive may be lost, with O(state=unpacked).
    type: bool
    default: false
attributes:
  check_mode: {support: full}
  diff_mode: {support: none}
  idempotent: {support: partial, details: Packing always writes a new file.}
author: Twinport
"""

EXAMPLES = r"""
- name: Pack the voices
  voice_archive:
    state: packed
    archive: /var/lib/twinport/voices.tar.gz
    data_dir: /var/lib/twinport/voice_data
"""

RETURN = r"""
voices: {description: How many voices the archive holds., type: int, returned: success}
different: {description: Whether the host had other voices than the archive., type: bool, returned: success}
replaced: {description: How many voices that the archive lacks are lost., type: int, returned: success}
"""

import io
import json
import os
import re
import shutil
import sqlite3
import tarfile
import tempfile
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

_FORMAT = 1
_DATABASE = "gateway.sqlite3"
_MANIFEST = "manifest.json"
_MANIFEST_LIMIT = 100_000
_VOICE_FILE = re.compile(r"voices/(v_[0-9a-f]{32})/(upload|reference\.wav)")
_RESERVE_BYTES = 200_000_000

ARGUMENTS = {
    "state": {"type": "str", "choices": ["packed", "unpacked"], "required": True},
    "archive": {"type": "path", "required": True},
    "data_dir": {"type": "path", "required": True},
    "overwrite": {"type": "bool", "default": False},
}


class ArchiveError(Exception):
    """A sentence for the user: what is wrong and what to do."""


def snapshot(database, target):
    """Copy a database that is in use, without the index of speech; raises sqlite3.Error."""
    # Read-write: a reader of a WAL database has to join its shared memory.
    with closing(sqlite3.connect(str(database), timeout=30)) as source, closing(sqlite3.connect(str(target))) as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
        tables = {name for (name,) in copy.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if "speech" in tables:
            copy.execute("DELETE FROM speech")
        copy.commit()
        copy.execute("VACUUM")


def voices_of(database):
    """``{id: (status, reference's digest, name, time of the last change)}``; empty where there is no database yet.

    Raises:
        ArchiveError: the file is no database of a voice entry, or a damaged one.
    """
    if not database.exists():
        return {}
    try:
        with closing(sqlite3.connect(str(database), timeout=30)) as connection:
            (sound,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if sound != "ok":
                raise ArchiveError("The database {0} is damaged ({1}).".format(database, sound))
            rows = connection.execute("SELECT id, status, reference_sha256, name, updated_at FROM voices").fetchall()
    except sqlite3.Error as error:
        raise ArchiveError("{0} is not a voice entry's database: {1}.".format(database, error)) from error
    return {row[0]: tuple(row[1:]) for row in rows}


def pack(data_dir, archive):
    """Write the archive beside its name, flush it, rename it; returns how many voices it holds.

    Raises:
        ArchiveError: there are no voices to be found, or their database can't be read.
        OSError: the disk is full.
    """
    database = data_dir / _DATABASE
    if not database.exists():
        raise ArchiveError(
            "There is no database {0}. Either the voice entry has never run on this host, or its "
            "TWINPORT_DATABASE_URL names another database: back that up with its own tools.".format(database)
        )
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=str(archive.parent), prefix=".voices-") as folder:
        copy, part = Path(folder) / _DATABASE, Path(folder) / "part"
        try:
            snapshot(database, copy)
        except sqlite3.Error as error:
            raise ArchiveError("The database {0} can't be copied: {1}.".format(database, error)) from error
        with part.open("wb") as stream, tarfile.open(fileobj=stream, mode="w:gz", format=tarfile.PAX_FORMAT) as tar:
            for voice_id in sorted(voices_of(copy)):
                if not _add_voice(tar, data_dir / "voices" / voice_id):
                    # Deleted since the snapshot.
                    _forget(copy, voice_id)
            held = voices_of(copy)
            manifest = {
                "format": _FORMAT,
                "made_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
                "voices": len(held),
            }
            _add(tar, _DATABASE, copy)
            _add_bytes(tar, _MANIFEST, json.dumps(manifest).encode())
        part.chmod(0o600)
        _sync(part)
        part.replace(archive)
        _sync(archive.parent)
    return len(held)


def _add_voice(tar, folder):
    added = 0
    for name in ("upload", "reference.wav"):
        try:
            _add(tar, "voices/{0}/{1}".format(folder.name, name), folder / name)
            added += 1
        except FileNotFoundError:
            # A voice in training has no reference yet.
            continue
    return added > 0


def _add(tar, name, path):
    with path.open("rb") as content:
        header = tarfile.TarInfo(name)
        header.size = os.fstat(content.fileno()).st_size
        header.mode = 0o600
        tar.addfile(header, content)


def _add_bytes(tar, name, content):
    header = tarfile.TarInfo(name)
    header.size = len(content)
    header.mode = 0o600
    tar.addfile(header, io.BytesIO(content))


def _forget(database, voice_id):
    with closing(sqlite3.connect(str(database))) as connection:
        connection.execute("DELETE FROM voices WHERE id = ?", (voice_id,))
        connection.commit()


def _sync(path):
    handle = os.open(str(path), os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def extract(archive, folder):
    """Write the archive's members into an empty folder, each checked; returns its voices as ``voices_of`` does.

    Raises:
        ArchiveError: the archive is damaged, is none of ours, or does not fit on the disk.
        OSError: the disk is full.
    """
    room = shutil.disk_usage(str(folder)).free - _RESERVE_BYTES
    manifest = None
    try:
        with tarfile.open(str(archive), mode="r:gz") as tar:
            for member in tar:
                room -= member.size
                if room < 0:
                    raise ArchiveError("The disk is too full for these voices. Make room, then run this again.")
                if member.name == _MANIFEST and member.isreg() and member.size <= _MANIFEST_LIMIT:
                    manifest = json.loads(tar.extractfile(member).read().decode())
                elif member.isreg() and (member.name == _DATABASE or _VOICE_FILE.fullmatch(member.name)):
                    _write(tar, member, folder / member.name)
                else:
                    raise ArchiveError("{0} is no backup of voices: it holds {1!r}.".format(archive, member.name))
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise ArchiveError("{0} is damaged or no backup of voices: {1}.".format(archive, error)) from error
    except OSError as error:
        # What gzip says of a file that is none, or whose checksum is wrong, has no error number.
        if error.errno is None:
            raise ArchiveError("{0} is damaged or no backup of voices: {1}.".format(archive, error)) from error
        raise
    return _checked(archive, folder, manifest)


def _write(tar, member, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as stream:
        shutil.copyfileobj(tar.extractfile(member), stream)
        stream.flush()
        os.fsync(stream.fileno())


def _checked(archive, folder, manifest):
    """The voices of an extracted archive, once everything that belongs to them is there."""
    known = manifest.get("format") if isinstance(manifest, dict) else None
    if known != _FORMAT:
        raise ArchiveError("{0} has format {1!r}; this version of Twinport reads {2}.".format(archive, known, _FORMAT))
    if not (folder / _DATABASE).exists():
        raise ArchiveError("{0} is damaged: it holds no database.".format(archive))
    voices = voices_of(folder / _DATABASE)
    files = {path.relative_to(folder / "voices").as_posix() for path in (folder / "voices").glob("*/*")}
    for voice_id, (status, *_rest) in voices.items():
        needed = "{0}/{1}".format(voice_id, "reference.wav" if status == "ready" else "upload")
        if status != "failed" and needed not in files:
            raise ArchiveError("{0} is damaged: it lacks {1}.".format(archive, needed))
    return voices


def put_in_place(folder, data_dir):
    """Exchange the voices of a stopped entry for the extracted ones, the database last; raises OSError."""
    owner = data_dir.stat()
    for path in sorted(folder.rglob("*")):
        os.chown(str(path), owner.st_uid, owner.st_gid)
    target = data_dir / "voices"
    if not target.exists():
        target.mkdir(mode=0o755)
        os.chown(str(target), owner.st_uid, owner.st_gid)
    for voice in sorted((folder / "voices").glob("*")):
        (target / voice.name).mkdir(mode=0o755, exist_ok=True)
        os.chown(str(target / voice.name), owner.st_uid, owner.st_gid)
        for path in sorted(voice.iterdir()):
            path.replace(target / voice.name / path.name)
        _sync(target / voice.name)
    _sync(target)
    _close(data_dir / _DATABASE)
    (folder / _DATABASE).replace(data_dir / _DATABASE)
    _sync(data_dir)


def _close(database):
    """Bring what lies in the write-ahead log into the database, so that no log is left for the next one."""
    if database.exists():
        with closing(sqlite3.connect(str(database), timeout=30)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    for suffix in ("-wal", "-shm"):
        leftover = database.with_name(database.name + suffix)
        if leftover.exists():
            leftover.unlink()


def unpack(archive, data_dir, overwrite, check_mode):
    """Returns (whether something changed, voices in the archive, voices lost).

    Raises:
        ArchiveError: the archive or the folder can't be used, or voices would be lost.
        OSError: the disk is full.
    """
    if not data_dir.is_dir():
        raise ArchiveError("There is no folder {0}: run site.yml on this host first.".format(data_dir))
    with tempfile.TemporaryDirectory(dir=str(data_dir), prefix=".restore-") as name:
        folder = Path(name)
        new, old = extract(archive, folder), voices_of(data_dir / _DATABASE)
        lost = sum(1 for voice_id in old if voice_id not in new)
        if new == old:
            return False, len(new), 0
        if old and not overwrite:
            raise ArchiveError(
                "This host has {0} voices already, {1} of them not in the archive; nothing was changed. To have the "
                "archive's instead, run this again with -e restore_overwrite=true (make a backup before).".format(
                    len(old), lost
                )
            )
        if not check_mode:
            put_in_place(folder, data_dir)
    return True, len(new), lost


def main():
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    archive, data_dir = Path(module.params["archive"]), Path(module.params["data_dir"])
    try:
        if module.params["state"] == "packed":
            voices = len(voices_of(data_dir / _DATABASE)) if module.check_mode else pack(data_dir, archive)
            module.exit_json(changed=True, different=False, voices=voices, replaced=0)
        changed, voices, lost = unpack(archive, data_dir, module.params["overwrite"], module.check_mode)
        module.exit_json(changed=changed, different=changed, voices=voices, replaced=lost)
    except ArchiveError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg="The voices could not be read or written: {0}.".format(error))


if __name__ == "__main__":
    main()
