# SPDX-License-Identifier: Apache-2.0
"""Fingerprints of OpenPGP public keys (RFC 4880 §4, §6, §12.2), for hosts where no gpg is installed.

A minimal Debian has gpgv (12) or sqv (13): they report which key made a signature, but not which keys a file contains,
so a mirror could add its own key unnoticed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Iterator, List, Tuple

_PUBLIC_KEY = 6
_BEGIN = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
_END = "-----END PGP PUBLIC KEY BLOCK-----"


def fingerprints(data: bytes) -> List[str]:
    """The fingerprints of all primary version 4 keys in a key file, armored or binary, as upper-case hex.

    Raises:
        ValueError: the data is no OpenPGP public key file.
    """
    found = []
    for block in _blocks(data):
        for tag, body in _packets(block):
            if tag == _PUBLIC_KEY:
                found.append(_fingerprint(body))
    if not found:
        raise ValueError("it contains no OpenPGP public key")
    return found


def _fingerprint(body: bytes) -> str:
    if body[:1] != b"\x04":
        raise ValueError("it contains a key of another version than 4")
    # The standard defines version 4 fingerprints as SHA-1; this is an identity, not a signature.
    digest = hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body)  # noqa: S324
    return digest.hexdigest().upper()


def _blocks(data: bytes) -> Iterator[bytes]:
    if data[:1] and data[0] & 0x80:
        yield data
        return
    text = data.decode("ascii", "replace").replace("\r", "")
    for part in text.split(_BEGIN)[1:]:
        armored, separator, _rest = part.partition(_END)
        if not separator:
            raise ValueError("its armor is cut off")
        # Armor headers end at the first empty line, the checksum line starts with "=".
        _headers, _empty, payload = armored.partition("\n\n")
        lines = [line for line in payload.split("\n") if line and not line.startswith("=")]
        try:
            yield base64.b64decode("".join(lines), validate=True)
        except binascii.Error as error:
            raise ValueError("its armor is damaged") from error


def _packets(data: bytes) -> Iterator[Tuple[int, bytes]]:
    position = 0
    while position < len(data):
        tag, start, length = _header(data, position)
        if start + length > len(data):
            raise ValueError("it is cut off")
        yield tag, data[start : start + length]
        position = start + length


def _header(data: bytes, position: int) -> Tuple[int, int, int]:
    """Tag, start of the body and its length, for the packet at ``position``."""
    first = data[position]
    if not first & 0x80:
        raise ValueError("it is no OpenPGP data")
    try:
        if first & 0x40:
            return (first & 0x3F, *_new_length(data, position + 1))
        return ((first >> 2) & 0x0F, *_old_length(data, position + 1, first & 3))
    except IndexError as error:
        raise ValueError("it is cut off") from error


def _new_length(data: bytes, position: int) -> Tuple[int, int]:
    first = data[position]
    if first < 192:
        return position + 1, first
    if first < 224:
        return position + 2, ((first - 192) << 8) + data[position + 1] + 192
    if first == 255:
        return position + 5, int.from_bytes(data[position + 1 : position + 5], "big")
    raise ValueError("it has a packet of unknown length")


def _old_length(data: bytes, position: int, kind: int) -> Tuple[int, int]:
    if kind == 3:
        raise ValueError("it has a packet of unknown length")
    size = 1 << kind
    return position + size, int.from_bytes(data[position : position + size], "big")
