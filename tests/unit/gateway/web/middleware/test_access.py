"""Keys, and the device that a key may name."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from gateway.domain.errors import GatewayError
from gateway.infrastructure.api_keys import ApiKeys
from gateway.web.caller import device_of
from gateway.web.middleware.access import ApiKeyMiddleware, key_and_device, presented_key


@pytest.mark.parametrize(
    ("presented", "key", "device"),
    [
        ("good", "good", ""),
        ("good;device=mine", "good", "mine"),
        ("device=mine", "", "mine"),
        ("good;device=", "good", ""),
        ("good;device=a;device=b", "good", "a;device=b"),
        ("good;device=%E8%AE%BE%E5%A4%87%201", "good", "设备 1"),
        ("", "", ""),
    ],
)
def test_a_key_may_name_a_device(presented: str, key: str, device: str) -> None:
    assert key_and_device(presented) == (key, device)


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({}, ""),
        ({"X-API-Key": "a", "Authorization": "Bearer b"}, "a"),
        ({"Authorization": "bearer  b "}, "b"),
        ({"Authorization": "Basic b"}, ""),
        ({"Sec-WebSocket-Protocol": "realtime, openai-insecure-api-key.c"}, "c"),
    ],
)
def test_where_a_key_is_looked_for(headers: dict[str, str], key: str) -> None:
    assert presented_key(Headers(headers)) == key


async def asked(keys: ApiKeys, kind: str, **headers: str) -> Scope:
    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        return None

    async def nothing(*_: object) -> object:
        raise AssertionError("must not be used")

    encoded = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope: Scope = {"type": kind, "method": "POST", "client": ("127.0.0.1", 1), "headers": encoded}
    await ApiKeyMiddleware(app, keys=keys)(scope, nothing, nothing)  # type: ignore[arg-type]
    return scope


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_the_key_counts_and_the_device_is_noted(kind: str) -> None:
    keys = ApiKeys(given="good, odd;device=key")
    assert device_of(await asked(keys, kind, x_api_key="good;device=mine")) == "mine"
    assert device_of(await asked(keys, kind, x_api_key="good")) == ""
    # A key that has these very characters is a key.
    assert device_of(await asked(keys, kind, x_api_key="odd;device=key")) == ""
    for wrong in ("bad;device=mine", "device=mine", ";device=mine", ""):
        with pytest.raises(GatewayError, match="unauthorized"):
            await asked(keys, kind, x_api_key=wrong)


async def test_without_keys_any_key_may_name_a_device() -> None:
    keys = ApiKeys(given="")
    assert device_of(await asked(keys, "http", authorization="Bearer whatever;device=mine")) == "mine"
