"""File names from bytes in whatever encoding a client wrote them."""

from __future__ import annotations

import re
from email.errors import HeaderParseError
from email.header import decode_header

from gateway.domain.device import is_printable

_CHARSET = re.compile(
    r"(us-)?ascii|(utf|gb|big|shift|s|euc|iso|latin|windows|cp|koi|tis|mac)[-_]?[0-9a-z_-]{0,20}", re.I
)
_WORD = r"=[?][^?\s]{1,40}[?]([qQ][?][^?\s]*|[bB][?][A-Za-z0-9+/]+={0,2})[?]="
_ENCODED_WORDS = re.compile(rf"\s*{_WORD}(\s+{_WORD})*\s*")


def decoded_name(raw: bytes) -> str:
    """A file name from its bytes: UTF-8, or the Chinese encodings that older programs write, and never lossy.

    What is neither keeps its bytes as lone surrogates (``surrogateescape``).
    """
    try:
        return raw.decode()
    except UnicodeDecodeError:
        pass
    try:
        text = raw.decode("gb18030")
    except UnicodeDecodeError:
        text = ""
    if text and is_printable(text) and text.encode("gb18030") == raw:
        return text
    return raw.decode("utf-8", "surrogateescape")


def decoded_charset(raw: bytes, charset: str) -> str | None:
    """Bytes in a named encoding; None where that does not fit, or is none for text."""
    if not _CHARSET.fullmatch(charset):
        return None
    # What is called GB2312 or GBK often has characters that only the later standards have.
    known = "gb18030" if charset.lower().startswith("gb") else charset
    try:
        return raw.decode(known)
    except (LookupError, UnicodeError):
        return None


def decoded_words(text: str) -> str:
    """Text that consists of encoded words (RFC 2047), decoded; any other as it is."""
    if not _ENCODED_WORDS.fullmatch(text):
        return text
    try:
        words = decode_header(text)
    except (HeaderParseError, ValueError):
        return text
    parts = [(word if isinstance(word, bytes) else word.encode(), charset or "ascii") for word, charset in words]
    decoded = [decoded_charset(raw, charset) for raw, charset in parts]
    return text if None in decoded else "".join(part for part in decoded if part) or text
