"""File names from clients: under which name an upload is stored, and which names a request can mean.

A stored name is the sent one in Unicode's composed form (NFC), with everything that could do harm as ``%XX``. It can
be decoded, so no two names share a file. Two marks, which no encoding makes, stand for what does not fit in:

===========  ================================================================
``%~<hash>``  of the whole name, where that is too long; its beginning is before it
``%-<tag>``   the name belongs to somebody else, or to a folder, and this is another file
===========  ================================================================
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from pathlib import PurePosixPath
from urllib.parse import quote, unquote_to_bytes

from gateway.domain.access import NOBODY, Owner
from gateway.domain.encodings import decoded_name, decoded_words
from gateway.domain.video.task import RESULT_SUFFIX

ENGINE_ROOT = PurePosixPath("/code/data")
ENGINE_FOLDERS = ("temp", "result", "log")
OUR_FOLDERS = ("inputs", "outputs")
MAX_FILE_NAME_BYTES = 255
MAX_NAME_BYTES = 220  # the rest is for an owner's tag and a temporary name
MAX_ENDING_BYTES = 16
MAX_REQUESTED_CHARS = 16 * 1024  # of a path in a request
# The prefixes that the client tries, all for the same file; the longest first.
DOWNLOAD_PREFIXES = ("/code/data/temp/", "code/data/temp/", "/code/data/", "code/data/", "/temp/", "temp/", "/")
FOLDER_TAG = "folder"

_ASCII = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-() +,=@~")
_KEPT_KINDS = frozenset("LMNPS")  # letters, marks, numbers, punctuation, symbols
_JOINERS = frozenset("\u200c\u200d")  # within words of many scripts, and within emoji
_TAG = re.compile(r"%-[0-9a-z]{6,12}(?=[.]|$)")
_DIGEST = re.compile(r"%~[0-9a-f]{32}")
_HALF_ESCAPE = re.compile(r"%[0-9A-F]?$")


def stored_name(sent: str) -> str:
    """The name of an upload's file: different names never share one, the forms of one name always do.

    Args:
        sent: not empty; undecodable bytes as lone surrogates (``surrogateescape``).
    """
    name = unicodedata.normalize("NFC", sent)
    last = len(name) - 1
    encoded = "".join(_encoded(char, first=at == 0, last=at == last) for at, char in enumerate(name))
    if encoded.lower() in {*ENGINE_FOLDERS, *OUR_FOLDERS}:
        encoded = _escaped(encoded[0]) + encoded[1:]
    if encoded.endswith(RESULT_SUFFIX):  # must not look like a finished video's name
        encoded = encoded.removesuffix(RESULT_SUFFIX) + _escaped("-") + RESULT_SUFFIX[1:]
    return encoded if len(encoded.encode()) <= MAX_NAME_BYTES else _shortened(encoded, name)


def _encoded(char: str, *, first: bool, last: bool) -> str:
    if char.isascii():
        harmless = char in _ASCII and not (first and char in " .-~") and not (last and char in " .")
    else:
        harmless = unicodedata.category(char)[0] in _KEPT_KINDS or char in _JOINERS
    return char if harmless else _escaped(char)


def _escaped(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in _bytes(text))


def _bytes(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half a pair that stands for no byte
        return text.encode("utf-8", "surrogatepass")


def _split(stored: str) -> tuple[str, str]:
    """Stem and ending of a stored name; an ending that is long or encoded counts as part of the stem."""
    stem, dot, ending = stored.rpartition(".")
    if not stem or len(_bytes(ending)) >= MAX_ENDING_BYTES or "%" in ending:
        return stored, ""
    return stem, dot + ending


def _shortened(encoded: str, name: str) -> str:
    stem, ending = _split(encoded)
    mark = f"%~{hashlib.sha256(_bytes(name)).hexdigest()[:32]}{ending}"
    begin = stem.encode()[: MAX_NAME_BYTES - len(mark.encode())].decode(errors="ignore")
    return _HALF_ESCAPE.sub("", begin) + mark


def tagged(stored: str, tag: str) -> str:
    """Another file of the same name."""
    stem, ending = _split(stored)
    return f"{stem}%-{tag}{ending}"


def owner_tag(owner: Owner) -> str:
    """Sets the files of an owner apart from those of the same name of others; empty for nobody."""
    if owner == NOBODY:
        return ""
    return hashlib.sha256(f"{owner.key_id}\0{owner.device_id}".encode()).hexdigest()[:12]


def original_name(stored: str) -> str | None:
    """The name that was sent, as the stored name tells it; None where it was too long for that."""
    plain = _TAG.sub("", stored)
    return None if _DIGEST.search(plain) else decoded_name(unquote_to_bytes(plain.encode("utf-8", "surrogateescape")))


def requested_name(path: str) -> str | None:
    """The file name that a request states, in any of the client's spellings; None for what can't be one."""
    name = _without_prefix(path)
    hidden = name.startswith(".") and not name.endswith(RESULT_SUFFIX)  # unfinished files begin with a dot
    if not name or hidden or "/" in name or "\\" in name or "\0" in name:
        return None
    return name if _fits(name) else None


def _without_prefix(path: str) -> str:
    for prefix in DOWNLOAD_PREFIXES:
        if path.startswith(prefix):
            return path[len(prefix) :]
    return path


def requested_names(path: str) -> Iterator[str]:
    """The names that a request can mean, without a folder and in no form that is safe in a path; the likeliest first.

    As it stands; percent-decoded, once and twice; as a form or a header encodes it; as it was sent percent-encoded.
    """
    once = decoded_name(unquote_to_bytes(_bytes(path)))
    if len(path) > MAX_NAME_BYTES * 10:  # nobody's, most likely: not worth the time
        yield from dict.fromkeys((path, once))
        return
    twice = decoded_name(unquote_to_bytes(_bytes(once)))
    in_form = path.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    raw = _bytes(path)
    quoted = (quote(raw, safe=""), quote(raw, safe="!'()*"), quote(raw))
    yield from dict.fromkeys((path, once, twice, decoded_words(path), in_form, *quoted))


def upload_names(path: str, tag: str = "") -> Iterator[str]:
    """The stored names that a request for an upload can mean, the likeliest first.

    A path that ``/upload`` answered means that file, any other the name that was sent.

    Args:
        path: as the request has it; one longer than ``MAX_REQUESTED_CHARS`` names nothing.
        tag: of the caller.
    """
    seen: set[str] = set()
    if len(path) > MAX_REQUESTED_CHARS:
        return
    for meant in requested_names(path):
        for name in _meanings(meant):
            if name not in seen:
                seen.add(name)
                yield from filter(_fits, (*([tagged(name, tag)] if tag else []), name, tagged(name, FOLDER_TAG)))


def _fits(name: str) -> bool:
    return len(_bytes(name)) <= MAX_FILE_NAME_BYTES


def _meanings(meant: str) -> Iterator[str]:
    literal, bare = requested_name(meant), _without_prefix(meant)
    answered = meant.startswith(("/code/data/", "code/data/"))
    if answered and literal is not None:
        yield literal
    if answered and bare:
        yield stored_name(bare)
    if meant:
        yield stored_name(meant)
    if literal is not None:
        yield literal
    if bare:
        yield stored_name(bare)


def compatible_form(name: str) -> str:
    """What is the same for all names that differ in compatibility characters only (NFKC)."""
    return unicodedata.normalize("NFKC", name)
