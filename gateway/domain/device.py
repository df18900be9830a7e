"""Devices, as clients name them."""

from __future__ import annotations

import unicodedata

from gateway.domain.errors import invalid_request

MAX_DEVICE_ID = 256
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
