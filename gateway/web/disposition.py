"""``Content-Disposition`` as clients really write it in forms, and as downloads answer it.

Names may be quoted or not, in UTF-8 or the bytes of an older encoding, with ``filename*`` (RFC 5987, in pieces too:
RFC 2231), as encoded words (RFC 2047). No two names that a client sends become one.

Kept parsers lose names, see ``test_disposition.py``. That of python-multipart reads more than half of them wrongly: no
``filename*``, no encoded words, ``C:\\dir\\a.wav`` becomes ``a.wav``. That of ``email`` reads nearly a third wrongly:
it replaces bytes that are not UTF-8, takes the second byte of a GBK character for an escape, and prefers ``filename``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote, unquote_to_bytes

from gateway.domain.encodings import decoded_charset, decoded_name, decoded_words

_PARAMETER = re.compile(rb"[;\s]*([^\s=;\"]+)\s*=\s*")
_PIECE = re.compile(r"(?P<name>[^*]+)(?:\*(?P<number>\d{1,3}))?(?P<extended>\*?)")
_PLAIN = re.compile(r"[^A-Za-z0-9 !#$&+,.;=@^_`{}()~'\[\]-]")


def form_parameters(header: bytes) -> dict[str, str]:
    """The parameters of a part's disposition; of those of one name the extended form (``filename*``) counts."""
    plain: dict[str, bytes] = {}
    pieces: dict[str, dict[int, tuple[bytes, bool]]] = {}
    for name, value in _parameters(header):
        found = _PIECE.fullmatch(name)
        if found is None:
            continue
        if found["number"] is None and not found["extended"]:
            plain[name] = value
        else:
            number, extended = int(found["number"] or 0), bool(found["extended"])
            pieces.setdefault(found["name"], {})[number] = (value, extended)
    parameters = {name: decoded_words(decoded_name(value)) for name, value in plain.items()}
    for name, parts in pieces.items():
        raw, charset = _joined(parts)
        text = decoded_charset(raw, charset) if charset else decoded_name(raw)
        if text is not None or name not in parameters:
            parameters[name] = decoded_name(raw) if text is None else text
    return parameters


def _parameters(header: bytes) -> Iterator[tuple[str, bytes]]:
    try:
        header.decode()
        pairs = False
    except UnicodeDecodeError:
        pairs = True  # in GBK and its like, the second byte of a character may be a backslash
    at = header.find(b";")
    while at >= 0 and (found := _PARAMETER.match(header, at)):
        name = found[1].decode("latin-1").lower()
        if header[found.end() : found.end() + 1] == b'"':
            value, at = _quoted(header, found.end() + 1, pairs=pairs)
        else:
            end = header.find(b";", found.end())
            end = len(header) if end < 0 else end
            value, at = header[found.end() : end].strip(), end
        yield name, value


def _quoted(header: bytes, at: int, *, pairs: bool) -> tuple[bytes, int]:
    """A quoted value from its first byte on, and where the rest of the header begins."""
    value = bytearray()
    while at < len(header) and header[at] != ord('"'):
        byte, following = header[at], header[at + 1 : at + 2]
        if byte == ord("\\") and following in (b'"', b"\\"):
            at += 1
            value += following
        elif pairs and byte >= 0x81 and following and following[0] >= 0x40:
            at += 1
            value += bytes((byte,)) + following
        else:
            value.append(byte)
        at += 1
    return bytes(value), at + 1


def _joined(parts: Mapping[int, tuple[bytes, bool]]) -> tuple[bytes, str]:
    """A value in pieces, which begin at 0, and its encoding; empty where none is stated."""
    raw, charset = b"", ""
    for number in range(len(parts)):
        value, extended = parts.get(number, (b"", False))
        if number == 0 and extended and value.count(b"'") >= 2:
            label, _, value = value.split(b"'", 2)
            charset = label.decode("latin-1")
        raw += unquote_to_bytes(value) if extended else value
    return raw, charset


def attachment(name: str) -> str:
    """The header of a download: the name in ASCII for old clients, and as it is for all others."""
    shown = name.encode("utf-8", "replace").decode()
    return f"attachment; filename=\"{_PLAIN.sub('_', shown)}\"; filename*=UTF-8''{quote(shown, safe='')}"
