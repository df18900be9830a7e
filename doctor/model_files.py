"""What is damaged or missing in a model's folder, by the files' own structure. Pure.

Also the program that the doctor runs inside an engine's container (``python3 -c`` with this module's source, then
the folders), so it imports nothing of ours. It reads a few blocks of each file, whatever its size: a zip archive's
directory stands at its end, ONNX's fields and safetensors' offsets say how long the file must be.
"""

from __future__ import annotations

import fnmatch
import json
import os
import sys
import zipfile
from pathlib import Path
from typing import BinaryIO, Dict, List, Sequence

# Upstream's three classes of models all load these: cosyvoice/cli/cosyvoice.py.
NEEDED = ("*.yaml", "llm*.pt", "flow*.pt", "hift*.pt", "campplus*.onnx", "speech_tokenizer*.onnx")
DAMAGED = 3  # exit code
MOST_FILES = 2000
MOST_FIELDS = 100_000
MOST_HEADER = 64 * 1024 * 1024
_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5


def damage(folder: str) -> List[str]:
    """One phrase for each needed file that is missing and each file that can't be whole; empty for a whole model.

    Raises OSError where the folder can't be read.
    """
    top = Path(folder)
    names = [str(path.relative_to(top)) for path in _files(top)]
    found = [f"{pattern} is missing" for pattern in NEEDED if not fnmatch.filter(names, pattern)]
    reasons = {name: _reason(top / name) for name in names}
    return found + [f"{name} {reason}" for name, reason in reasons.items() if reason]


def _files(top: Path) -> List[Path]:
    """Files of the folder and of those in it, but not of hidden ones, where downloads are under way."""
    found: List[Path] = []
    for place, folders, files in os.walk(str(top), onerror=_raise):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(place, name) for name in sorted(files)]
        if len(found) > MOST_FILES:
            break
    return found[:MOST_FILES]


def _raise(error: OSError) -> None:
    raise error


def _reason(path: Path) -> str:
    check = _CHECKS.get(path.suffix)
    if check is None:
        return ""
    try:
        size = path.stat().st_size
        if not size:
            return "is empty"
        with path.open("rb") as file:
            return "" if check(file, size) else "is cut off or damaged"
    except OSError as error:
        return f"can't be read: {error.strerror}"


def _is_whole_pickle(file: BinaryIO, size: int) -> bool:
    """A zip archive, as PyTorch has written since 1.6, or a bare pickle."""
    first = file.read(2)
    if first[:1] == b"\x80":
        return True
    if first != b"PK":
        return False
    try:
        with zipfile.ZipFile(file) as archive:
            return all(entry.header_offset < size for entry in archive.infolist())
    except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError):
        return False


def _is_whole_onnx(file: BinaryIO, size: int) -> bool:
    """Protobuf fields from the first byte to exactly the last."""
    for _ in range(MOST_FIELDS):
        place = file.tell()
        if place == size:
            return True
        tag = _varint(file)
        if tag < 8 or not _skip(file, tag & 7) or file.tell() > size:
            return False
    return True


def _skip(file: BinaryIO, kind: int) -> bool:
    if kind == _VARINT:
        return _varint(file) >= 0
    length = {_FIXED_64: 8, _FIXED_32: 4}.get(kind, -1)
    if kind == _BYTES:
        length = _varint(file)
    if length < 0:
        return False
    file.seek(length, os.SEEK_CUR)
    return True


def _varint(file: BinaryIO) -> int:
    """The number; -1 where the file ends in it or it has more than ten bytes."""
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            return -1
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    return -1


def _is_whole_safetensors(file: BinaryIO, size: int) -> bool:
    length = int.from_bytes(file.read(8), "little")
    if not 2 <= length <= min(MOST_HEADER, size - 8):
        return False
    try:
        header = json.loads(file.read(length).decode("utf-8"))
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        return 8 + length + max(ends, default=0) == size
    except (ValueError, TypeError, KeyError, AttributeError, IndexError):
        return False


def _is_whole_json(file: BinaryIO, size: int) -> bool:
    if size > MOST_HEADER:
        return True
    try:
        json.loads(file.read().decode("utf-8"))
    except ValueError:
        return False
    return True


def _has_text(file: BinaryIO, size: int) -> bool:
    return bool(file.read(MOST_HEADER).strip(b"\0 \n\r\t"))


_CHECKS = {
    ".pt": _is_whole_pickle,
    ".pth": _is_whole_pickle,
    ".onnx": _is_whole_onnx,
    ".safetensors": _is_whole_safetensors,
    ".json": _is_whole_json,
    ".yaml": _has_text,
}


def main(folders: Sequence[str]) -> int:
    """Print what is wrong with those of the folders that exist, as JSON; DAMAGED where anything is."""
    found: Dict[str, List[str]] = {folder: damage(folder) for folder in folders if Path(folder).is_dir()}
    sys.stdout.write(json.dumps(found) + "\n")
    return DAMAGED if any(found.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
