"""Who asks: noted where the key is checked, read wherever it matters."""

from __future__ import annotations

from starlette.types import Scope

from gateway.domain.access import ANYBODY, Caller

_KEY = "twinport.caller"
_DEVICE = "twinport.device"


def note_caller(scope: Scope, caller: Caller) -> None:
    """Remember who asks."""
    scope[_KEY] = caller


def caller_of(scope: Scope) -> Caller:
    """Who asks; anybody where the entry, or the operation, asks for no key."""
    found: Caller = scope.get(_KEY, ANYBODY)
    return found


def note_device(scope: Scope, device_id: str) -> None:
    """Remember the device that the request's path or key names; the first one counts."""
    if device_id:
        scope.setdefault(_DEVICE, device_id)


def device_of(scope: Scope) -> str:
    """The device that the request's path or key names; empty: none."""
    found: str = scope.get(_DEVICE, "")
    return found
