"""Sizes as Docker writes them."""

from __future__ import annotations

UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def parse_size(text: str) -> int:
    """Bytes of a size such as ``8g``. Raises ValueError."""
    number, unit = text[:-1], text[-1:].lower()
    if not number.isdigit() or unit not in UNITS:
        raise ValueError(f"{text!r} is no size; write for example 8g")
    return int(number) * UNITS[unit]
