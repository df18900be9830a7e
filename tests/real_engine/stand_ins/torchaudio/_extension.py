"""A stand-in for tests: says that torchaudio's compiled part is not there, and loads nothing."""

from __future__ import annotations

from typing import Any

_IS_TORCHAUDIO_EXT_AVAILABLE = False


def fail_if_no_align(function: Any) -> Any:
    """What needs the compiled part fails when it is called, not here."""
    return function
