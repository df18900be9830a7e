"""What clients with a wrong base address mean, and the device that an address may name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote

from starlette.types import Scope

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.web.caller import note_device

# A base address such as http://SERVER:9090/device/my-computer/v1, for clients that can set nothing else.
_DEVICE = re.compile(r"/+device/+([^/]+)(/.*)", re.DOTALL)
# Whatever comes before them (no /v1, twice /v1, /api, the whole address as a base), these can mean only one thing.
_CALL = re.compile(r"/(?:[^/]+/)*(audio/(?:speech/stream|speech|voices|models))")
_MODELS = re.compile(r"/(?:(?:v\d+|api|openai|audio|speech|tts)/)*(models(?:/.+)?)", re.DOTALL)


def meant_paths(scope: Scope) -> Iterator[str]:
    """Paths that a request with an unknown path may mean, the nearest first; notes the device that the path names."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    named = _DEVICE.fullmatch(raw.decode("latin-1"))
    if named is not None:
        note_device(scope, unquote(named[1]))
        path = unquote(named[2])
        yield path
    else:
        path = scope["path"]
    plain = re.sub("/{2,}", "/", path).rstrip("/") or "/"
    yield plain
    for known in (_CALL, _MODELS):
        if (call := known.fullmatch(plain)) is not None:
            yield f"/v1/{call[1]}"


def no_such_address() -> GatewayError:
    """Nothing is here; what clients look for is elsewhere."""
    return GatewayError(
        "not_found",
        ErrorKind.NOT_FOUND,
        zh="此地址没有内容。OpenAI 接口的基础地址以 /v1 结尾（如 http://服务器:9090/v1），"
        "朗读请发送到 POST /v1/audio/speech；全部接口见 /docs。",
        en="There is nothing at this address. The base address for OpenAI's clients ends with /v1 (such as "
        "http://SERVER:9090/v1), and speech is at POST /v1/audio/speech; /docs lists every call.",
    )
