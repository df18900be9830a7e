"""Names and identifiers: which a client may choose, and those we make ourselves."""

from __future__ import annotations

import re
import secrets
import unicodedata

from gateway.domain.errors import GatewayError, invalid_request

MAX_DEVICE_ID = 256
MAX_NAME = 100
MAX_DISPLAY_FILENAME = 200
VOICE_ID = re.compile(r"v_[0-9a-f]{32}")
UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})


def is_printable(text: str) -> bool:
    """Whether the text has neither control characters nor lone surrogates, so that it can be stored and shown."""
    return not any(unicodedata.category(character) in UNPRINTABLE for character in text)


def check_device_id(device_id: str) -> str:
    """A device id as the client sent it: opaque, bounded, printable. It never becomes part of a path.

    Raises:
        GatewayError: ``missing_field`` or ``invalid_device_id`` (400).
    """
    if not device_id.strip() or len(device_id) > MAX_DEVICE_ID or not is_printable(device_id):
        raise invalid_request(
            f"device_id 无效：应为 1 到 {MAX_DEVICE_ID} 个可打印字符。",
            f"The device_id is not valid: it has 1 to {MAX_DEVICE_ID} printable characters.",
            param="device_id",
            code="invalid_device_id",
        )
    return device_id


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
    """A client's file name, fit to be shown: no folders, no control characters, bounded."""
    last = re.split(r"[/\\]", filename)[-1]
    return "".join(character for character in last if is_printable(character))[:MAX_DISPLAY_FILENAME]


def new_voice_id() -> str:
    """A voice id that can't be guessed (128 random bits)."""
    return f"v_{secrets.token_hex(16)}"


def is_voice_id(text: str) -> bool:
    """Whether the text has the form of a voice id, and so is fit for a path."""
    return VOICE_ID.fullmatch(text) is not None


def new_file_token() -> str:
    """The unguessable part of a file's address (192 random bits)."""
    return secrets.token_urlsafe(24)
