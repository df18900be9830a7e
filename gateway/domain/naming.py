"""Names and identifiers: which a client may choose, and those we make ourselves."""

from __future__ import annotations

import re
import secrets
import unicodedata

from gateway.domain.device import is_printable
from gateway.domain.errors import GatewayError, invalid_request

MAX_NAME = 100
MAX_DISPLAY_FILENAME = 200
VOICE_ID = re.compile(r"v_[0-9a-f]{32}")


def invalid_name() -> GatewayError:
    """A voice's name that is empty, too long or unprintable."""
    return invalid_request(
        f"声音名称无效：应为 1 到 {MAX_NAME} 个可打印字符。",
        f"The voice's name is not valid: it has 1 to {MAX_NAME} printable characters.",
        param="name",
        code="invalid_name",
    )


def check_name(name: str) -> str:
    """A voice's name, without surrounding blanks, in Unicode's composed form.

    Raises:
        GatewayError: ``invalid_name`` (400).
    """
    cleaned = unicodedata.normalize("NFC", name).strip()
    if not cleaned or len(cleaned) > MAX_NAME or not is_printable(cleaned):
        raise invalid_name()
    return cleaned


def display_filename(filename: str) -> str:
    """A client's file name, made safe for display: no folders, no control characters, bounded."""
    last = re.split(r"[/\\]", filename)[-1]
    return "".join(character for character in last if is_printable(character))[:MAX_DISPLAY_FILENAME]


def new_voice_id() -> str:
    """A voice id that can't be guessed (128 random bits)."""
    return f"v_{secrets.token_hex(16)}"


def is_voice_id(text: str) -> bool:
    """Whether the text has the form of a voice id, and so is safe in a path."""
    return VOICE_ID.fullmatch(text) is not None


def new_file_token() -> str:
    """The unguessable part of a file's address (192 random bits)."""
    return secrets.token_urlsafe(24)
